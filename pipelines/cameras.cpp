// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Which cameras there are to be tried: GStreamer's device providers know.
#include "probe.hpp"
#include <algorithm>
#include <fcntl.h>
#include <gst/gst.h>
#include <linux/videodev2.h>
#include <sys/ioctl.h>
#include <unistd.h>

namespace robotlive::robot {

namespace {

// The ways to use a V4L2 camera, best first: raw pictures need no decoding,
// and a camera's own H.264 cannot be told to make a key frame.
struct Way
{
  const char *source;
  const char *media_type;
  const char *words;
};
const Way WAYS[] = {
    {"webcam-raw", "video/x-raw", "raw pictures"},
    {"webcam-mjpeg", "image/jpeg", "Motion JPEG"},
    {"webcam-h264", "video/x-h264", "H.264"},
};

// Does the camera's list of formats have @way in the size and rate wanted?
bool
listed (GstCaps *offered, const Way &way, const RobotConf &conf)
{
  GstCaps *wanted = gst_caps_new_simple (way.media_type, "width", G_TYPE_INT,
      int (conf.number ("camera.width")), "height", G_TYPE_INT,
      int (conf.number ("camera.height")), "framerate", GST_TYPE_FRACTION,
      int (conf.number ("camera.fps")), 1, nullptr);
  bool can = gst_caps_can_intersect (offered, wanted);
  gst_caps_unref (wanted);
  return can;
}

std::string
string_property (GstElement *element, const char *name)
{
  if (!g_object_class_find_property (G_OBJECT_GET_CLASS (element), name))
    return "";
  gchar *value = nullptr;
  g_object_get (element, name, &value, nullptr);
  std::string text = value ? value : "";
  g_free (value);
  return text;
}

void
add_v4l2 (const std::string &device, const std::string &label, GstCaps *offered,
    const RobotConf &conf, std::vector<Candidate> &found)
{
  for (const Way &way : WAYS) {
    std::string excluded;
    if (offered && !listed (offered, way, conf))
      excluded = std::string ("it lists no ") + way.words + " of " +
                 conf.get ("camera.width") + "x" + conf.get ("camera.height") +
                 " at " + conf.get ("camera.fps") + " frames a second";
    found.push_back ({way.source, device, label, excluded});
  }
}

void
add_device (
    GstDevice *device, const RobotConf &conf, std::vector<Candidate> &found)
{
  gchar *display = gst_device_get_display_name (device);
  std::string label = display ? display : "camera";
  g_free (display);
  GstElement *element = gst_device_create_element (device, nullptr);
  if (!element)
    return;
  gst_object_ref_sink (element);
  GstElementFactory *factory = gst_element_get_factory (element);
  std::string kind = factory ? GST_OBJECT_NAME (factory) : "";
  const std::string &wanted = conf.get ("camera.device");
  if (kind == "libcamerasrc") {
    std::string name = string_property (element, "camera-name");
    if (wanted.empty () || wanted == name)
      found.push_back ({"pi-camera", name, label, ""});
  } else if (kind == "v4l2src") {
    std::string path = string_property (element, "device");
    GstCaps *caps = gst_device_get_caps (device);
    if (wanted.empty () || wanted == path)
      add_v4l2 (path, label, caps, conf, found);
    if (caps)
      gst_caps_unref (caps);
  }
  gst_object_unref (element);
}

// GStreamer's provider asks udev, which a container or a small system has not:
// there the device nodes are asked themselves.
void
add_device_nodes (const RobotConf &conf, std::vector<Candidate> &found)
{
  for (int number = 0; number < 64; number++) {
    std::string path = "/dev/video" + std::to_string (number);
    int fd = open (path.c_str (), O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
      continue;
    v4l2_capability is = {};
    bool asked = ioctl (fd, VIDIOC_QUERYCAP, &is) == 0;
    close (fd);
    // A node that takes pictures as well is an encoder or converter.
    if (asked && (is.device_caps & V4L2_CAP_VIDEO_CAPTURE) &&
        !(is.device_caps & V4L2_CAP_VIDEO_OUTPUT))
      add_v4l2 (
          path, reinterpret_cast<const char *> (is.card), nullptr, conf, found);
  }
}

} // namespace

std::vector<Candidate>
find_cameras (const RobotConf &conf)
{
  const std::string &source = conf.get ("camera.source");
  const std::string &device = conf.get ("camera.device");
  std::vector<Candidate> found;
  if (source != "auto") {
    // Nothing to look for; tried only by --check and --list.
    bool webcam = source.compare (0, 6, "webcam") == 0;
    found.push_back ({source,
        device.empty () && webcam ? "/dev/video0" : device, source, ""});
    return found;
  }

  GstDeviceMonitor *monitor = gst_device_monitor_new ();
  gst_device_monitor_add_filter (monitor, "Video/Source", nullptr);
  gst_device_monitor_add_filter (monitor, "Source/Video", nullptr);
  if (gst_device_monitor_start (monitor)) {
    GList *devices = gst_device_monitor_get_devices (monitor);
    for (GList *item = devices; item; item = item->next)
      add_device (GST_DEVICE (item->data), conf, found);
    g_list_free_full (devices, gst_object_unref);
    gst_device_monitor_stop (monitor);
  }
  gst_object_unref (monitor);

  if (found.empty () && device.empty ())
    add_device_nodes (conf, found);
  // A device that was named is tried even if no provider knows it, such as a
  // /dev/v4l/by-id/ link.
  if (found.empty () && !device.empty ()) {
    if (device[0] == '/')
      add_v4l2 (device, device, nullptr, conf, found);
    else
      found.push_back ({"pi-camera", device, device, ""});
  }
  GstElementFactory *legacy = gst_element_factory_find ("rpicamsrc");
  if (legacy) {
    found.push_back ({"rpicamsrc", device, "legacy camera stack", ""});
    gst_object_unref (legacy);
  }
  std::stable_sort (found.begin (), found.end (),
      [] (const Candidate &a, const Candidate &b) {
        return a.source == "pi-camera" && b.source != "pi-camera";
      });
  return found;
}

} // namespace robotlive::robot
