// SPDX-License-Identifier: LGPL-2.1-or-later
#include "probe.hpp"
#include "plugins.hpp"
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <gst/gst.h>
#include <stdexcept>
#include <unistd.h>

namespace robotlive::robot {

namespace {

const char *const TRIAL_SINK = "fakesink name=trial num-buffers=1 sync=false";

std::string
size_and_rate (const RobotConf &conf)
{
  return conf.get ("camera.width") + "x" + conf.get ("camera.height") + " at " +
         conf.get ("camera.fps") + " frames a second";
}

// Can this process open @path? The kernel's word, before GStreamer's
// translated one. EBUSY seldom comes from here: V4L2 says it at streaming.
bool
opens (const std::string &path, Trial &trial)
{
  int fd = open (path.c_str (), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0) {
    close (fd);
    return true;
  }
  switch (errno) {
    case ENOENT:
    case ENODEV:
    case ENXIO:
      trial.verdict = Verdict::Missing;
      trial.reason = "there is no " + path;
      break;
    case EACCES:
    case EPERM:
      trial.verdict = Verdict::NoPermission;
      trial.reason = "this user may not open " + path +
                     ": put it into the group video (adduser USER video), "
                     "and log in again";
      break;
    case EBUSY:
      trial.verdict = Verdict::Busy;
      trial.reason =
          path + " is in use by another process (see: fuser " + path + ")";
      break;
    default:
      trial.verdict = Verdict::Failed;
      trial.reason = "cannot open " + path + ": " + g_strerror (errno);
  }
  return false;
}

std::string
first_line (const char *text)
{
  return text ? std::string (text, strcspn (text, "\n")) : "";
}

// What an element's error says about the device.
void
judge (const GError *error, const char *debug, Trial &trial)
{
  trial.reason = first_line (error->message);
  trial.verdict = Verdict::Failed;
  if (g_error_matches (error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_BUSY)) {
    trial.verdict = Verdict::Busy;
    trial.reason += " (in use by another process)";
  } else if (g_error_matches (
                 error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND))
    trial.verdict = Verdict::Missing;
  else if (g_error_matches (
               error, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_AUTHORIZED))
    trial.verdict = Verdict::NoPermission;
  else if (g_error_matches (
               error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN))
    trial.verdict = Verdict::NoPlugin;
  else if (g_error_matches (
               error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION) ||
           g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT) ||
           (debug && strstr (debug, "not-negotiated"))) {
    trial.verdict = Verdict::NotNegotiated;
    trial.reason = "does not do this size, rate or format";
  } else if (debug && strstr (debug, "Device is in streaming mode"))
    trial.verdict = Verdict::Busy;
}

GstPadProbeReturn
count_buffer (GstPad *, GstPadProbeInfo *, gpointer count)
{
  g_atomic_int_inc (static_cast<gint *> (count));
  return GST_PAD_PROBE_OK;
}

// Of GStreamer's parse error 'no element "x264enc"'.
std::string
quoted_name (const std::string &text)
{
  const size_t begin = text.find ('"');
  const size_t end = begin == text.npos ? begin : text.find ('"', begin + 1);
  return end == text.npos ? "" : text.substr (begin + 1, end - begin - 1);
}

// The device node behind a V4L2 encoder element; "" when it has none.
std::string
element_device (const char *factory)
{
  GstElement *element = gst_element_factory_make (factory, nullptr);
  if (!element)
    return "";
  gst_object_ref_sink (element);
  gchar *device = nullptr;
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), "device");
  if (spec && G_IS_PARAM_SPEC_STRING (spec))
    g_object_get (element, "device", &device, nullptr);
  gst_object_unref (element);
  std::string path = device ? device : "";
  g_free (device);
  return path;
}

// v4l2h264enc exists only where GStreamer saw the device when it scanned its
// plugins, so device and element are looked at separately.
bool
hardware_encoder_there (const ProbeOptions &options, Trial &trial)
{
  const std::string node = options.dev_folder + "/video11";
  bool exists = access (node.c_str (), F_OK) == 0;
  GstElementFactory *factory = gst_element_factory_find ("v4l2h264enc");
  bool listed = factory != nullptr;
  if (factory)
    gst_object_unref (factory);

  std::string device = listed ? element_device ("v4l2h264enc") : "";
  trial.device = device.empty () ? node : device;
  if (listed && !device.empty ())
    return opens (device, trial);
  if (listed && exists)
    return opens (node, trial);
  if (exists) {
    if (!opens (node, trial))
      return false;
    trial.verdict = Verdict::StaleRegistry;
    trial.reason = node +
                   " is there, but GStreamer's list of elements has no "
                   "v4l2h264enc: the list is older than the device, or the "
                   "device is no H.264 encoder. Delete " +
                   registry_path () + " and try again";
    return false;
  }
  trial.verdict = listed ? Verdict::StaleRegistry : Verdict::Missing;
  trial.reason = "there is no " + node +
                 ": a Pi 5 or PC has no such encoder, and a container must "
                 "be given the device";
  if (listed)
    trial.reason += "; GStreamer's list of elements still has v4l2h264enc "
                    "(delete " +
                    registry_path () + ")";
  return false;
}

} // namespace

const char *
verdict_name (Verdict verdict)
{
  switch (verdict) {
    case Verdict::Works:
      return "works";
    case Verdict::Missing:
      return "missing";
    case Verdict::Busy:
      return "busy";
    case Verdict::NoPermission:
      return "no-permission";
    case Verdict::StaleRegistry:
      return "stale-registry";
    case Verdict::NoPlugin:
      return "no-plugin";
    case Verdict::NotNegotiated:
      return "not-negotiated";
    case Verdict::NoFrame:
      return "no-frame";
    case Verdict::Failed:
      return "failed";
  }
  return "failed";
}

void
run_trial (
    const std::vector<std::string> &arguments, unsigned seconds, Trial &trial)
{
  std::vector<const gchar *> argv;
  for (const std::string &argument : arguments)
    argv.push_back (argument.c_str ());
  argv.push_back (nullptr);

  GError *error = nullptr;
  GstElement *pipeline = gst_parse_launchv_full (
      argv.data (), nullptr, GST_PARSE_FLAG_FATAL_ERRORS, &error);
  if (!pipeline) {
    bool absent = g_error_matches (
        error, GST_PARSE_ERROR, GST_PARSE_ERROR_NO_SUCH_ELEMENT);
    trial.verdict = absent ? Verdict::NoPlugin : Verdict::Failed;
    trial.reason = error->message;
    const std::string element = quoted_name (trial.reason);
    if (absent && !element.empty ()) {
      const MissingElement missing = missing_element (element);
      trial.reason = missing.text;
      trial.remedy = missing.remedy;
    }
    g_error_free (error);
    return;
  }

  gint frames = 0;
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "trial");
  GstPad *pad = gst_element_get_static_pad (sink, "sink");
  gst_pad_add_probe (pad,
      GstPadProbeType (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      count_buffer, &frames, nullptr);
  gst_object_unref (pad);
  gst_object_unref (sink);

  // A driver can hang in an ioctl where no time-out of ours helps. Better that
  // the process ends and its service manager starts it again.
  alarm (seconds + 30);
  GstBus *bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  GstMessage *message = gst_bus_timed_pop_filtered (bus, seconds * GST_SECOND,
      GstMessageType (GST_MESSAGE_ERROR | GST_MESSAGE_EOS));
  if (g_atomic_int_get (&frames) > 0) {
    trial.verdict = Verdict::Works;
    trial.reason.clear ();
  } else if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gchar *debug = nullptr;
    gst_message_parse_error (message, &error, &debug);
    judge (error, debug, trial);
    g_error_free (error);
    g_free (debug);
  } else {
    trial.verdict = Verdict::NoFrame;
    trial.reason = message
                       ? "it ended without a frame"
                       : "no frame within " + std::to_string (seconds) + " s";
  }
  if (message)
    gst_message_unref (message);
  gst_object_unref (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  alarm (0);
}

Trial
try_encoder (
    const RobotConf &conf, const ProbeOptions &options, const std::string &name)
{
  Trial trial;
  trial.name = trial.label = name;
  if (name == "v4l2h264enc" && !hardware_encoder_there (options, trial))
    return trial;
  // The encoder's own file, fed with pictures of the size that it will get.
  RobotConf plain = conf;
  plain.set ("camera.watchdog", "0");
  ComposeOptions compose_options;
  compose_options.folder = options.folder;
  compose_options.sink = TRIAL_SINK;
  compose_options.gates = false;
  try {
    std::vector<std::string> arguments =
        compose (plain, {"test-pattern", name, ""}, compose_options);
    run_trial (arguments, options.encoder_seconds, trial);
  } catch (const std::runtime_error &error) {
    trial.reason = error.what ();
  }
  if (trial.verdict == Verdict::NotNegotiated)
    trial.reason = "it does not encode " + size_and_rate (conf);
  return trial;
}

Trial
try_camera (const RobotConf &conf, const ProbeOptions &options,
    const Candidate &candidate)
{
  Trial trial;
  trial.name = candidate.source;
  trial.device = candidate.device;
  trial.label = candidate.label;
  if (!candidate.excluded.empty ()) {
    trial.verdict = Verdict::NotNegotiated;
    trial.reason = candidate.excluded;
    return trial;
  }
  if (g_str_has_prefix (candidate.device.c_str (), "/") &&
      !opens (candidate.device, trial))
    return trial;
  // The camera's own file without encoder; caps and all.
  ComposeOptions compose_options;
  compose_options.folder = options.folder;
  compose_options.sink = TRIAL_SINK;
  compose_options.encoder = "identity";
  compose_options.gates = false;
  try {
    std::vector<std::string> arguments = compose (
        conf, {candidate.source, "", candidate.device}, compose_options);
    run_trial (arguments, options.camera_seconds, trial);
  } catch (const std::runtime_error &error) {
    trial.reason = error.what ();
  }
  if (trial.verdict == Verdict::NotNegotiated)
    trial.reason = "it does not give " + size_and_rate (conf) + " this way";
  return trial;
}

std::vector<std::string>
encoder_names (const RobotConf &conf)
{
  const std::string &name = conf.get ("encoder.name");
  if (name != "auto")
    return {name};
  return {"v4l2h264enc", "x264enc", "openh264enc"};
}

Choice
choose (const RobotConf &conf, const ProbeOptions &options,
    const std::vector<Candidate> &cameras, bool all, Findings &findings)
{
  Choice choice;
  if (conf.get ("camera.source") != "auto") {
    choice.source = conf.get ("camera.source");
    choice.device = conf.get ("camera.device");
    if (choice.device.empty () && choice.source.compare (0, 6, "webcam") == 0)
      choice.device = "/dev/video0";
  }
  for (const Candidate &candidate : cameras) {
    if (!choice.source.empty () && !all)
      break;
    findings.cameras.push_back (try_camera (conf, options, candidate));
    const Trial &trial = findings.cameras.back ();
    if (trial.verdict == Verdict::Works && choice.source.empty ()) {
      choice.source = trial.name;
      choice.device = trial.device;
    }
  }
  if (!all && (choice.source.empty () ||
                  !needs_encoder (options.folder, choice.source)))
    return choice;
  if (conf.get ("encoder.name") != "auto")
    choice.encoder = conf.get ("encoder.name");
  for (const std::string &name : encoder_names (conf)) {
    if (!choice.encoder.empty () && !all)
      break;
    findings.encoders.push_back (try_encoder (conf, options, name));
    if (findings.encoders.back ().verdict == Verdict::Works &&
        choice.encoder.empty ())
      choice.encoder = name;
  }
  return choice;
}

} // namespace robotlive::robot
