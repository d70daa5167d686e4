// SPDX-License-Identifier: LGPL-2.1-or-later
#include "plugins.hpp"
#include <gst/gst.h>

namespace robotlive::robot {

namespace {

struct Origin
{
  const char *element;
  const char *package;
  const char *plugin; // in libgst….so
};

const Origin kOrigins[] = {
    {"sessiongate", "gstreamer1.0-robotlive", "robotlive"},
    {"signalingbin", "gstreamer1.0-robotlive", "robotlive"},
    {"rtspcamera", "gstreamer1.0-robotlive", "robotlive"},
    {"webrtcbin", "gstreamer1.0-plugins-bad", "webrtc"},
    {"dtlsenc", "gstreamer1.0-plugins-bad", "dtls"},
    {"srtpenc", "gstreamer1.0-plugins-bad", "srtp"},
    {"h264parse", "gstreamer1.0-plugins-bad", "videoparsersbad"},
    {"watchdog", "gstreamer1.0-plugins-bad", "debugutilsbad"},
    {"openh264enc", "gstreamer1.0-plugins-bad", "openh264"},
    {"nicesink", "gstreamer1.0-nice", "nice"},
    {"rtpbin", "gstreamer1.0-plugins-good", "rtpmanager"},
    {"rtph264pay", "gstreamer1.0-plugins-good", "rtp"},
    {"rtspsrc", "gstreamer1.0-plugins-good", "rtsp"},
    {"v4l2src", "gstreamer1.0-plugins-good", "video4linux2"},
    {"v4l2h264enc", "gstreamer1.0-plugins-good", "video4linux2"},
    {"jpegdec", "gstreamer1.0-plugins-good", "jpeg"},
    {"jpegenc", "gstreamer1.0-plugins-good", "jpeg"},
    {"videoconvert", "gstreamer1.0-plugins-base", "videoconvertscale"},
    {"videotestsrc", "gstreamer1.0-plugins-base", "videotestsrc"},
    {"opusenc", "gstreamer1.0-plugins-base", "opus"},
    {"alsasrc", "gstreamer1.0-alsa", "alsa"},
    {"libcamerasrc", "gstreamer1.0-libcamera", "libcamera"},
    {"x264enc", "gstreamer1.0-plugins-ugly", "x264"},
};

// The file of the plugin, if GStreamer has it on its blacklist.
std::string
blacklisted_file (const std::string &plugin)
{
  const std::string name = "libgst" + plugin + ".so";
  std::string found;
  GList *plugins = gst_registry_get_plugin_list (gst_registry_get ());
  for (GList *one = plugins; one; one = one->next) {
    auto *candidate = static_cast<GstPlugin *> (one->data);
    const gchar *file = gst_plugin_get_filename (candidate);
    if (!file ||
        !GST_OBJECT_FLAG_IS_SET (candidate, GST_PLUGIN_FLAG_BLACKLISTED))
      continue;
    gchar *base = g_path_get_basename (file);
    if (base == name)
      found = file;
    g_free (base);
  }
  gst_plugin_list_free (plugins);
  return found;
}

} // namespace

std::string
registry_path ()
{
  for (const char *name : {"GST_REGISTRY_1_0", "GST_REGISTRY"})
    if (const char *set = g_getenv (name))
      return set;
  return std::string (g_get_user_cache_dir ()) +
         "/gstreamer-1.0/registry.*.bin";
}

MissingElement
missing_element (const std::string &element)
{
  MissingElement missing = {"GStreamer has no element " + element, ""};
  for (const Origin &origin : kOrigins) {
    if (element != origin.element)
      continue;
    const std::string file = blacklisted_file (origin.plugin);
    missing.remedy = std::string ("apt install ") + origin.package;
    if (file.empty ())
      return missing;
    missing.text += ": its plugin " + file +
                    " is installed, but could not be loaded, and is on "
                    "GStreamer's blacklist";
    missing.remedy = "gst-inspect-1.0 " + file +
                     " says why; apt install --reinstall " + origin.package +
                     ", then rm " + registry_path ();
  }
  return missing;
}

} // namespace robotlive::robot
