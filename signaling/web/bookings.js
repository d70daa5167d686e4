// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Robots and bookings as the HTTP API gives them, checked and put in order.
// Pure functions.

// Entries of GET /robots, usable ones only: {id, type, name, online, trouble}.
// *trouble*: "grants" when the robot does not take this server's grants,
// "duplicates" when several processes go by its id, or null.
export function readRobots(answer) {
  if (!Array.isArray(answer))
    return [];
  return answer
    .filter(entry => typeof entry?.id === 'string' && entry.id !== '')
    .map(entry => ({
      id: entry.id,
      type: entry.robot_type ?? entry.type ?? '',
      name: entry.name || entry.id,
      online: entry.online === true,
      trouble: entry.refusesGrants?.count > 0 ? 'grants'
        : entry.duplicates?.length > 0 ? 'duplicates' : null,
    }))
    .sort((a, b) => b.online - a.online || a.name.localeCompare(b.name));
}

// Entries of GET /my-bookings that are not over at *now* and not cancelled,
// the next one first: {id, robotId, robotType, startsAt, endsAt}.
export function readBookings(answer, now) {
  if (!Array.isArray(answer))
    return [];
  return answer
    .filter(entry => Number.isFinite(entry?.starts_at)
      && Number.isFinite(entry.ends_at) && entry.ends_at > now
      && entry.status !== 'cancelled')
    .map(entry => ({
      id: entry.id,
      robotId: entry.robot_id || null,
      robotType: entry.robot_type || null,
      startsAt: entry.starts_at,
      endsAt: entry.ends_at,
    }))
    .sort((a, b) => a.startsAt - b.startsAt);
}

export function isActive(booking, now) {
  return booking.startsAt <= now && now < booking.endsAt;
}

// A booking names one robot, or a type and with it every robot of the type.
export function covers(booking, robot) {
  return booking.robotId ? booking.robotId === robot.id
    : booking.robotType !== null && booking.robotType === robot.type;
}

// What a person calls the robot of *booking*.
export function bookedName(booking, robots) {
  if (booking.robotId === null)
    return `Any robot of type ${booking.robotType}`;
  return robots.find(robot => robot.id === booking.robotId)?.name
    ?? booking.robotId;
}

// The robot that a link means, "#/robot/ID" or "?robot=ID", or null.
export function linkedRobot({ hash, search }) {
  const named = /^#\/robot\/([^/?]+)\/?$/.exec(hash)?.[1];
  try {
    return named ? decodeURIComponent(named)
      : new URLSearchParams(search).get('robot') || null;
  } catch {
    return null; // not a proper encoding
  }
}

// The robot to preselect: booked now before online before the first one.
export function preferredRobot(robots, bookings, now) {
  const booked = robot => bookings.some(booking =>
    isActive(booking, now) && covers(booking, robot));
  return robots.find(robot => booked(robot) && robot.online)
    ?? robots.find(booked) ?? robots.find(robot => robot.online) ?? robots[0];
}

// Start of the next booking in ms, from an error's nextBooking (a number, or
// an object with the start) or from the list; undefined when there is none.
export function nextStart(nextBooking, bookings, robot, now) {
  const given = typeof nextBooking === 'object' && nextBooking !== null
    ? nextBooking.starts_at ?? nextBooking.startsAt ?? nextBooking.notBefore
    : nextBooking;
  if (Number.isFinite(given))
    return given;
  return bookings.find(booking => robot && covers(booking, robot)
    && booking.startsAt > now)?.startsAt;
}

// What POST /bookings is asked for: *start* is the text of a datetime-local
// field, in the browser's time zone, empty for now. Null: not a time.
export function bookingRequest(robotId, start, minutes, now) {
  const startsAt = start === '' ? now : new Date(start).getTime();
  const length = Number(minutes) * 60000;
  if (!Number.isFinite(startsAt) || !(length > 0))
    return null;
  return { robot_id: robotId, starts_at: Math.floor(startsAt),
    ends_at: Math.floor(startsAt + length) };
}
