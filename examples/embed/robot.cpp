// SPDX-License-Identifier: LGPL-2.1-or-later
//
// signalingbin in a C++ application:
//   ./robot http://127.0.0.1:8080 robot_pi_001 robot.token
#include <cstdlib>
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/robotlive/robotlive.h>
#include <iostream>
#include <memory>
#include <string>

namespace {

struct Unref
{
  void operator() (gpointer object) const { gst_object_unref (object); }
};
template <typename T> using Ref = std::unique_ptr<T, Unref>;

class Robot
{
public:
  Robot (const char *server, const char *id, const char *token_file)
  {
    g_autoptr (GError) error = nullptr;
    pipeline_.reset (gst_parse_launch (
        "videotestsrc is-live=true pattern=ball"
        " ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1"
        " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000"
        "   key-int-max=60"
        " ! video/x-h264,profile=constrained-baseline ! h264parse"
        " ! sessiongate ! signalingbin name=viewers",
        &error));
    if (!pipeline_)
      throw std::runtime_error (error->message);
    Ref<GstElement> bin (
        gst_bin_get_by_name (GST_BIN (pipeline_.get ()), "viewers"));
    g_object_set (bin.get (), "signaling-server", server, "robot-id", id,
        "token-file", token_file, nullptr);
  }

  ~Robot () { gst_element_set_state (pipeline_.get (), GST_STATE_NULL); }

  // Until EOS (asked for by SIGINT and SIGTERM) or an error.
  int run ()
  {
    Ref<GstBus> bus (gst_element_get_bus (pipeline_.get ()));
    gst_bus_add_watch (
        bus.get (),
        +[] (GstBus *, GstMessage *message, gpointer self) -> gboolean {
          static_cast<Robot *> (self)->on_message (message);
          return G_SOURCE_CONTINUE;
        },
        this);
    for (int number : {SIGINT, SIGTERM})
      g_unix_signal_add (
          number,
          +[] (gpointer self) -> gboolean {
            gst_element_send_event (
                static_cast<Robot *> (self)->pipeline_.get (),
                gst_event_new_eos ());
            return G_SOURCE_REMOVE;
          },
          this);
    if (gst_element_set_state (pipeline_.get (), GST_STATE_PLAYING) ==
        GST_STATE_CHANGE_FAILURE)
      status_ = EXIT_FAILURE; // the bus says why
    g_main_loop_run (loop_.get ());
    gst_bus_remove_watch (bus.get ());
    return status_;
  }

private:
  void on_message (GstMessage *message)
  {
    g_autoptr (GError) error = nullptr;
    switch (GST_MESSAGE_TYPE (message)) {
      case GST_MESSAGE_ELEMENT:
        on_element_message (gst_message_get_structure (message));
        break;
      case GST_MESSAGE_WARNING: // the link is retried, a viewer failed, …
        gst_message_parse_warning (message, &error, nullptr);
        std::cerr << "warning: " << error->message << std::endl;
        break;
      case GST_MESSAGE_ERROR:
        gst_message_parse_error (message, &error, nullptr);
        std::cerr << "error: " << error->message << std::endl;
        status_ = EXIT_FAILURE;
        g_main_loop_quit (loop_.get ());
        break;
      case GST_MESSAGE_EOS:
        g_main_loop_quit (loop_.get ());
        break;
      default:
        break;
    }
  }

  static void on_element_message (const GstStructure *s)
  {
    auto field = [s] (const char *name) {
      const char *text = gst_structure_get_string (s, name);
      return std::string (text ? text : "");
    };
    const std::string name = gst_structure_get_name (s);
    if (name == ROBOTLIVE_MESSAGE_LINK)
      std::cout << "signaling: " << field (ROBOTLIVE_FIELD_STATE) << std::endl;
    else if (name == ROBOTLIVE_MESSAGE_VIEWER_ADDED)
      std::cout << field (ROBOTLIVE_FIELD_USER) << " watches ("
                << field (ROBOTLIVE_FIELD_PEER_ID) << ")" << std::endl;
    else if (name == ROBOTLIVE_MESSAGE_VIEWER_REMOVED)
      std::cout << field (ROBOTLIVE_FIELD_PEER_ID)
                << " is gone: " << field (ROBOTLIVE_FIELD_REASON) << std::endl;
    else if (name == ROBOTLIVE_MESSAGE_VIEWER_REFUSED)
      std::cout << "refused " << field (ROBOTLIVE_FIELD_PEER_ID) << ": "
                << field (ROBOTLIVE_FIELD_MESSAGE) << std::endl;
  }

  struct UnrefLoop
  {
    void operator() (GMainLoop *loop) const { g_main_loop_unref (loop); }
  };
  Ref<GstElement> pipeline_;
  std::unique_ptr<GMainLoop, UnrefLoop> loop_{g_main_loop_new (nullptr, FALSE)};
  int status_ = EXIT_SUCCESS;
};

} // namespace

int
main (int argc, char **argv)
{
  gst_init (&argc, &argv);
  if (argc != 4) {
    std::cerr << "usage: " << argv[0] << " SERVER-URL ROBOT-ID TOKEN-FILE\n";
    return 2;
  }
  try {
    return Robot (argv[1], argv[2], argv[3]).run ();
  } catch (const std::exception &error) {
    std::cerr << error.what () << std::endl;
    return EXIT_FAILURE;
  }
}
