// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A robot for tests: test pattern, encoder and signalingbin with a fake link.
#pragma once
#include "bin/gstsignalingbin.h"
#include "gate/gstsessiongate.h"
#include "grant/jwt.hpp"
#include "testviewer.hpp"
#include <gst/check/gstcheck.h>
#include <list>
#include <thread>

namespace robotlive::test {

// The elements of this build, without a plugin file.
void register_elements ();

// How many: "/proc/self/task" has the threads, "/proc/self/fd" the descriptors.
unsigned entries_of (const char *folder);

// Of a pipeline that has ended: what is left on its bus keeps elements alive.
void flush_bus (GstElement *pipeline);

enum class Key
{
  None,
  File
};

class Robot
{
public:
  // *codec*: "VP8", "H264", or an encoder as in a launch line, with a "!" in
  // it. *properties* as in a launch line; what goes to other pads of the
  // element "bin" may follow. *before_encoder*: elements that stand in front of
  // the encoder, or nothing. Starts it.
  Robot (const std::string &codec, const std::string &properties,
      Key key = Key::None, bool start = true,
      const std::string &before_encoder = "");
  ~Robot ();

  // A session with a grant signed by the robot's key.
  SessionTerms terms (const std::string &user, const std::string &peer_id,
      TimeMs server_time, TimeMs expires_at,
      const std::string &robot_id = "robot_1");

  // Polls; *condition* runs here and may wait itself.
  bool wait (const std::function<bool ()> &condition);
  // An element message of this name has come, or comes.
  bool wait_message (const char *name);
  // It is among those that have come.
  bool has_message (const char *name) const;
  // All that have come: those on the bus keep whole branches alive.
  void forget_messages ();
  // robotlive-viewer-removed for *peer_id*, for *reason* unless null. *viewer*
  // is fed candidates meanwhile.
  bool wait_removed (
      const char *peer_id, const char *reason, TestViewer *viewer = nullptr);
  // "reason: message" of it, "" when it has not been removed.
  std::string removal (const char *peer_id);
  int viewer_count ();
  gint64 remaining (const char *peer_id); // ms; -1: no end, or no such viewer
  GstStructure *viewer_stats (const char *peer_id); // transfer full
  // An unsigned field of these; 0: not there, or no such viewer.
  guint64 number (const char *peer_id, const char *field);

  const std::shared_ptr<Link> link = std::make_shared<Link> ();
  GstElement *pipeline = nullptr, *bin = nullptr; // bin is the pipeline's

private:
  void drain_bus ();

  std::optional<JwtKey> key_;
  std::string key_file_;
  GstBus *bus_ = nullptr;
  std::list<GstStructure *> messages_;
};

} // namespace robotlive::test
