/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * signalingbin in a C application:
 *   ./robot http://127.0.0.1:8080 robot_pi_001 robot.token
 */
#include <glib-unix.h>
#include <gst/gst.h>
#include <gst/robotlive/robotlive.h>
#include <stdlib.h>

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  int status;
} App;

static void
on_element_message (const GstStructure *s)
{
  const gchar *peer = gst_structure_get_string (s, ROBOTLIVE_FIELD_PEER_ID);

  if (gst_structure_has_name (s, ROBOTLIVE_MESSAGE_LINK))
    g_print ("signaling: %s\n",
        gst_structure_get_string (s, ROBOTLIVE_FIELD_STATE));
  else if (gst_structure_has_name (s, ROBOTLIVE_MESSAGE_VIEWER_ADDED))
    g_print ("%s watches (%s)\n",
        gst_structure_get_string (s, ROBOTLIVE_FIELD_USER), peer);
  else if (gst_structure_has_name (s, ROBOTLIVE_MESSAGE_VIEWER_REMOVED))
    g_print ("%s is gone: %s\n", peer,
        gst_structure_get_string (s, ROBOTLIVE_FIELD_REASON));
  else if (gst_structure_has_name (s, ROBOTLIVE_MESSAGE_VIEWER_REFUSED))
    g_print ("refused %s: %s\n", peer,
        gst_structure_get_string (s, ROBOTLIVE_FIELD_MESSAGE));
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  App *app = data;
  GError *error = NULL;

  (void) bus;
  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ELEMENT:
      on_element_message (gst_message_get_structure (message));
      break;
    case GST_MESSAGE_WARNING: /* the link is retried, a viewer failed, ... */
      gst_message_parse_warning (message, &error, NULL);
      g_printerr ("warning: %s\n", error->message);
      break;
    case GST_MESSAGE_ERROR:
      gst_message_parse_error (message, &error, NULL);
      g_printerr ("error: %s\n", error->message);
      app->status = EXIT_FAILURE;
      g_main_loop_quit (app->loop);
      break;
    case GST_MESSAGE_EOS:
      g_main_loop_quit (app->loop);
      break;
    default:
      break;
  }
  g_clear_error (&error);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_interrupt (gpointer data)
{
  App *app = data;

  gst_element_send_event (app->pipeline, gst_event_new_eos ());
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  App app = { NULL, NULL, EXIT_SUCCESS };
  GError *error = NULL;
  GstElement *bin;
  GstBus *bus;

  gst_init (&argc, &argv);
  if (argc != 4) {
    g_printerr ("usage: %s SERVER-URL ROBOT-ID TOKEN-FILE\n", argv[0]);
    return 2;
  }

  app.pipeline = gst_parse_launch (
      "videotestsrc is-live=true pattern=ball"
      " ! video/x-raw,format=I420,width=1280,height=720,framerate=30/1"
      " ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=2000"
      "   key-int-max=60"
      " ! video/x-h264,profile=constrained-baseline ! h264parse"
      " ! sessiongate ! signalingbin name=viewers", &error);
  if (!app.pipeline) {
    g_printerr ("%s\n", error->message);
    g_clear_error (&error);
    return EXIT_FAILURE;
  }
  bin = gst_bin_get_by_name (GST_BIN (app.pipeline), "viewers");
  g_object_set (bin, "signaling-server", argv[1], "robot-id", argv[2],
      "token-file", argv[3], NULL);

  app.loop = g_main_loop_new (NULL, FALSE);
  bus = gst_element_get_bus (app.pipeline);
  gst_bus_add_watch (bus, on_message, &app);
  g_unix_signal_add (SIGINT, on_interrupt, &app);
  g_unix_signal_add (SIGTERM, on_interrupt, &app);

  if (gst_element_set_state (app.pipeline, GST_STATE_PLAYING) ==
      GST_STATE_CHANGE_FAILURE)
    app.status = EXIT_FAILURE; /* the bus says why */
  g_main_loop_run (app.loop);

  gst_element_set_state (app.pipeline, GST_STATE_NULL);
  gst_bus_remove_watch (bus);
  gst_object_unref (bus);
  gst_object_unref (bin);
  gst_object_unref (app.pipeline);
  g_main_loop_unref (app.loop);
  return app.status;
}
