// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A viewer in the test's process: a webrtcbin that offers to receive, depays
// and decodes, and counts what it sees.
#pragma once
#include "base/glibptr.hpp"
#include "fakesignaller.hpp"
#include <atomic>
#include <gst/gst.h>
#include <memory>
#include <string>

namespace robotlive::test {

// As {"H264"}, or by name.
struct ViewerOptions
{
  // Empty: VP8 and H264, the robot chooses.
  std::string encoding_name = "VP8";
  bool audio = false, data_channel = false;
  bool audio_first = false; // its m-line stands before the picture's
  bool feedback = false;    // transport-wide, by RTCP
  bool fec = false;         // offers RED and ULPFEC
  bool answer_back = true;  // false: never takes the answer
  bool quiet = false;       // sends next to no RTCP by itself
  // Takes the robot's SSRCs from its answer, and so asks again for packets.
  bool knows_sources = true;
  bool resends = true; // asks for packets that are lost
  bool decode = true;  // false: a frame is a packet
  // Changes the offer on its way to the bin.
  std::function<std::string (std::string)> edit_offer;
  // Changes the answer on its way to the viewer.
  std::function<std::string (std::string)> edit_answer;
};

class TestViewer
{
public:
  TestViewer (std::shared_ptr<Link> link, std::string user, std::string peer_id,
      ViewerOptions options = {});
  ~TestViewer ();

  // Makes the offer and hands it to the bin with *session*.
  bool offer (const std::optional<SessionTerms> &session = std::nullopt);
  // Makes the offer and returns it.
  std::string make_offer ();
  // Gives the bin's answer and candidates to webrtcbin.
  bool take_answer ();
  // offer, answer, and a first decoded picture.
  bool join (const std::optional<SessionTerms> &session = std::nullopt);
  bool wait_frames (unsigned more);
  // Passes on what candidates of the bin have come meanwhile.
  void give_candidates ();
  unsigned frames () const { return frames_; }
  unsigned sounds () const { return sounds_; } // decoded buffers of audio
  GstElement *webrtc () const { return webrtc_.get (); }
  // "VP8", "H264", ...: what came, "" before.
  std::string received ();
  // The first buffer that came was a key frame's.
  bool first_was_key () const { return first_was_key_; }
  // Every third packet that comes is lost from here on.
  void lose_packets ();
  // Stops dead, like a phone in a tunnel: no BYE, no DTLS alert.
  void vanish ();
  // Its RTCP says BYE from now on (RFC 3550, section 6.6); the rest goes on.
  void say_bye ();
  // When the first left, g_get_monotonic_time (); 0: none yet.
  gint64 bye_sent_at () const { return *bye_sent_at_; }
  // Sends DTLS close_notify (RFC 8446, section 6.1); the rest goes on.
  void close_dtls ();

private:
  static void on_pad_added (GstElement *, GstPad *pad, gpointer data);
  static GstPadProbeReturn on_frame (GstPad *, GstPadProbeInfo *, gpointer);
  static GstPadProbeReturn on_sound (GstPad *, GstPadProbeInfo *, gpointer);
  static GstPadProbeReturn on_encoded (GstPad *, GstPadProbeInfo *, gpointer);

  const std::shared_ptr<Link> link_;
  const std::string user_, peer_id_;
  const ViewerOptions options_;
  GPtr<GstElement> pipeline_, webrtc_;
  std::atomic<unsigned> frames_{0}, sounds_{0};
  std::string received_; // under the link's lock
  std::atomic<bool> first_seen_{false}, first_was_key_{false};
  std::size_t given_candidates_ = 0;
  const std::shared_ptr<std::atomic<gint64>> bye_sent_at_ =
      std::make_shared<std::atomic<gint64>> (0);
};

} // namespace robotlive::test
