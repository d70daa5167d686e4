// SPDX-License-Identifier: LGPL-2.1-or-later
#include "bin/outbox.hpp"
#include "base/glibptr.hpp"
#include <algorithm>
#include <gst/gst.h>

namespace robotlive {

Outbox::Outbox (std::weak_ptr<EventLoop> loop, GstElement *element)
    : loop_ (std::move (loop)), element_ (element)
{
}

void
Outbox::add (Effect effect)
{
  push ({std::move (effect), false});
}

void
Outbox::add_send (Effect effect)
{
  push ({std::move (effect), true});
}

void
Outbox::push (Item item)
{
  items_.push_back (std::move (item));
  auto loop = scheduled_ ? nullptr : loop_.lock ();
  if (!loop)
    return;
  scheduled_ = true;
  loop->post ([outbox = weak_from_this ()] () {
    if (const auto self = outbox.lock ()) {
      self->scheduled_ = false;
      self->run ();
    }
  });
}

void
Outbox::call (const Effect &effect)
{
  const bool before = in_effect_;
  in_effect_ = true;
  effect ();
  in_effect_ = before;
}

void
Outbox::run ()
{
  if (items_.empty () || held_)
    return;
  // An effect may end the bin, and us with it.
  const auto self = shared_from_this ();
  const auto element = share (element_);
  while (!items_.empty ()) {
    const Item item = std::move (items_.front ());
    items_.pop_front ();
    call (item.effect);
  }
}

void
Outbox::run_sends ()
{
  const auto self = shared_from_this ();
  const auto is_send = [] (const Item &item) { return item.send; };
  for (;;) {
    const auto next = std::find_if (items_.begin (), items_.end (), is_send);
    if (next == items_.end ())
      break;
    const Item item = std::move (*next);
    items_.erase (next);
    call (item.effect);
  }
}

std::deque<Outbox::Effect>
Outbox::take ()
{
  std::deque<Effect> effects;
  for (auto &item : items_)
    effects.push_back (std::move (item.effect));
  items_.clear ();
  held_ = false;
  return effects;
}

} // namespace robotlive
