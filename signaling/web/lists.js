// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The lists of robots and of one's own bookings, drawn, and what the user does
// with bookings. A list that has not changed is left as it is: whoever stands
// on a button of it stays there.

import * as api from './api.js';
import * as text from './text.js';
import { bookedName, bookingRequest, isActive, preferredRobot }
  from './bookings.js';
import { $, notice } from './stage.js';

const drawn = new Map(); // what a list was drawn from

function changed(id, ...values) {
  const now = JSON.stringify(values);
  const before = drawn.get(id);
  drawn.set(id, now);
  return before !== now;
}

export function forgetLists() {
  drawn.clear();
  $('robot').replaceChildren();
  $('book-robot').replaceChildren();
  $('book-form').reset();
  notice('booking-notice', null);
}

// *wished*: a robot that stays chosen although the list does not have it.
export function showRobots(robots, bookings, now, wished) {
  const chosen = wished || $('robot').value
    || preferredRobot(robots, bookings, now)?.id;
  if (!changed('robot', robots, chosen))
    return;
  $('robot').replaceChildren(...robots.map(robot => {
    const name = robot.name === robot.id ? robot.id
      : `${robot.name} (${robot.id})`;
    return new Option(`${name}, ${robot.online ? 'online' : 'offline'}`,
      robot.id, false, robot.id === chosen);
  }));
  if (chosen && $('robot').value !== chosen)
    $('robot').append(new Option(chosen, chosen, true, true));
  if (robots.length === 0 && !chosen)
    $('robot').replaceChildren(new Option('No robot', ''));
  const toBook = $('book-robot').value || $('robot').value;
  $('book-robot').replaceChildren(...robots.map(robot =>
    new Option(robot.name, robot.id, false, robot.id === toBook)));
  $('book-button').disabled = robots.length === 0;
}

export function showTrouble(robot) {
  const sentence = text.troubleText(robot?.trouble);
  if (($('trouble').textContent || null) !== sentence)
    notice('trouble', sentence, 'warning');
}

// *change* (button, what, said): asks the server and draws again.
export function showBookings(bookings, robots, now, change) {
  const rows = bookings.map(booking => ({ id: booking.id,
    name: bookedName(booking, robots), active: isActive(booking, now),
    when: text.whenText(booking.startsAt, now),
    range: text.rangeText(booking.startsAt, booking.endsAt, now) }));
  $('no-bookings').hidden = bookings.length > 0;
  $('zone').textContent = `Times are in the time zone ${text.zoneText(now)}.`;
  if (!changed('bookings', rows, Boolean(change)))
    return;
  $('bookings').replaceChildren(...rows.map(row => {
    const item = document.createElement('li');
    const line = (className, content) => {
      const element = document.createElement('div');
      element.className = className;
      element.textContent = content;
      item.append(element);
    };
    item.dataset.active = row.active;
    line('what', row.name);
    line('when', row.range);
    if (row.active)
      line('now', 'Now');
    if (change)
      item.append(cancelButton(row, change));
    return item;
  }));
}

function cancelButton({ id, name, when }, change) {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = 'Cancel';
  button.setAttribute('aria-label', `Cancel the booking ${when}`);
  button.addEventListener('click', () => {
    if (confirm(`Cancel the booking of ${name} ${when}?`))
      change(button, token => api.cancel(token, id),
        `The booking of ${name} was cancelled.`);
  });
  return button;
}

export function bookFromForm(robots, now, change) {
  const request = bookingRequest($('book-robot').value, $('book-start').value,
    $('book-minutes').value, now);
  if (!request)
    return;
  const name = robots.find(robot => robot.id === request.robot_id)?.name
    ?? request.robot_id;
  change($('book-button'), token => api.book(token, request),
    `${name} is yours ${
      text.rangeText(request.starts_at, request.ends_at, now)}.`);
}
