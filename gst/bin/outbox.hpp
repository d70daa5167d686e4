// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Outbox: what the bin's hub says to others. Whoever is called from here may
// call back at once: end viewers, release pads, set the bin to NULL. So an
// entry point of the hub changes its state and puts what follows from that in
// here. It runs when the entry point has returned, in order, with copies.
// Signaling thread, unless said otherwise.
#pragma once
#include "base/eventloop.hpp"
#include <deque>
#include <functional>
#include <gst/gst.h>
#include <memory>

namespace robotlive {

class Outbox : public std::enable_shared_from_this<Outbox>
{
public:
  using Effect = std::function<void ()>;

  // *element* is kept while effects run.
  Outbox (std::weak_ptr<EventLoop> loop, GstElement *element);

  // Runs at the loop's next turn, unless run () or take () is there before.
  void add (Effect effect);
  // The same, of a signaller that may be used on this thread alone.
  void add_send (Effect effect);
  // Runs all, and what is added meanwhile.
  void run ();
  // Runs those of add_send () alone: before their signaller stops.
  void run_sends ();
  // Nothing runs until take () has been called.
  void hold () { held_ = true; }
  // What is left. Whoever takes it runs it, on any thread.
  std::deque<Effect> take ();

  // An effect runs, and no entry point within it: the hub's state is whole.
  bool may_enter () const { return in_effect_; }
  // Calls an entry point from within an effect.
  template <typename Task> void enter (Task &&task)
  {
    const bool before = in_effect_;
    in_effect_ = false;
    task ();
    in_effect_ = before;
  }

private:
  struct Item
  {
    Effect effect;
    bool send;
  };
  void push (Item item);
  void call (const Effect &effect);

  const std::weak_ptr<EventLoop> loop_;
  GstElement *const element_;
  std::deque<Item> items_;
  bool scheduled_ = false, in_effect_ = false, held_ = false;
};

} // namespace robotlive
