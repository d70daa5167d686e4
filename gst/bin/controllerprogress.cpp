// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Progress messages, as rtspsrc posts them: gst-launch-1.0 prints them, and a
// robot that has found its server says so.
#include "base/uri.hpp"
#include "bin/controller.hpp"
#include "robotlive.h"

namespace robotlive {

void
Controller::progress (
    GstProgressType type, const char *code, const std::string &text)
{
  const std::shared_ptr<GstMessage> message (
      gst_message_new_progress (
          GST_OBJECT (element_), type, code, text.c_str ()),
      gst_message_unref);
  outbox_->add ([element = element_, message] () {
    gst_element_post_message (element, gst_message_ref (message.get ()));
  });
}

// gst-launch-1.0 lets no pipeline play that begins with something unfinished,
// and a robot plays without a server: what is under way is told once it does,
// and once for each time, however often it is tried.
void
Controller::link_progress ()
{
  const std::string where = settings_.signaling_server.empty ()
                                ? "the application"
                                : redacted_uri (settings_.signaling_server);
  if (link_ == LinkState::Registered) {
    connecting_told_ = false;
    progress (GST_PROGRESS_TYPE_COMPLETE, ROBOTLIVE_PROGRESS_CONNECT,
        "Registered as " + settings_.robot_id + " at " + where);
    return;
  }
  GstState state = GST_STATE_NULL;
  gst_element_get_state (element_, &state, nullptr, 0);
  if (state != GST_STATE_PLAYING || connecting_told_)
    return;
  connecting_told_ = true;
  progress (GST_PROGRESS_TYPE_START, ROBOTLIVE_PROGRESS_CONNECT,
      "Connecting to " + where);
}

void
Controller::end_progress ()
{
  if (connecting_told_)
    progress (
        GST_PROGRESS_TYPE_CANCELED, ROBOTLIVE_PROGRESS_CONNECT, "Stopped");
  connecting_told_ = false;
}

} // namespace robotlive
