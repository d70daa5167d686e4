// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Whether each row of internals.cpp is as expected, on elements that do
// nothing.
#include "base/glibptr.hpp"
#include "webrtc/internals.hpp"
#include <cerrno>
#include <initializer_list>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <nice/agent.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace robotlive::internal_checks {

namespace {

bool
has_properties (GObject *object, std::initializer_list<const char *> names)
{
  for (const char *name : names)
    if (!object ||
        !g_object_class_find_property (G_OBJECT_GET_CLASS (object), name))
      return false;
  return true;
}

GPtr<GstElement>
made (const char *factory)
{
  return sink (gst_element_factory_make (factory, nullptr));
}

bool
has_pads (const char *factory, std::initializer_list<const char *> names)
{
  const auto element = made (factory);
  for (const char *name : names)
    if (!element || !gst_element_get_pad_template (element.get (), name))
      return false;
  return true;
}

bool
has_value (GObject *object, const char *property, const char *nick)
{
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (object), property);
  return spec && G_IS_PARAM_SPEC_ENUM (spec) &&
         g_enum_get_value_by_nick (G_PARAM_SPEC_ENUM (spec)->enum_class, nick);
}

bool
has_agent_properties (const char *factory)
{
  const auto element = made (factory);
  return element && has_properties (G_OBJECT (element.get ()),
                        {"agent", "stream", "component"});
}

GPtr<GObject>
ice_of (GstElement *webrtc)
{
  GObject *ice = nullptr;
  if (webrtc && has_properties (G_OBJECT (webrtc), {"ice-agent"}))
    g_object_get (webrtc, "ice-agent", &ice, nullptr);
  return adopt (ice);
}

GPtr<GstElement>
inner_rtpbin ()
{
  const auto webrtc = made ("webrtcbin");
  return adopt (webrtc ? gst_bin_get_by_name (GST_BIN (webrtc.get ()), "rtpbin")
                       : static_cast<GstElement *> (nullptr));
}

} // namespace

bool
srtp_media ()
{
  const auto srtpenc = made ("srtpenc");
  if (!srtpenc || !has_properties (G_OBJECT (srtpenc.get ()), {"key", "mki"}) ||
      !has_value (G_OBJECT (srtpenc.get ()), "rtp-cipher", "aes-128-icm") ||
      !has_value (G_OBJECT (srtpenc.get ()), "rtp-auth", "hmac-sha1-80"))
    return false;
  const auto in =
      adopt (gst_element_request_pad_simple (srtpenc.get (), "rtp_sink_0"));
  const auto out =
      adopt (gst_element_get_static_pad (srtpenc.get (), "rtp_src_0"));
  const bool both = in && out && GST_PAD_CHAINFUNC (in.get ()) &&
                    GST_PAD_CHAINLISTFUNC (in.get ());
  if (in)
    gst_element_release_request_pad (srtpenc.get (), in.get ());
  return both;
}

bool
direct_send ()
{
  return has_agent_properties ("nicesink");
}

bool
whole_lists ()
{
  return has_pads ("rtpulpfecenc", {"sink", "src"}) &&
         has_pads ("rtpredenc", {"sink", "src"});
}

bool
rtp_pads ()
{
  const auto rtpbin = inner_rtpbin ();
  return rtpbin &&
         gst_element_get_pad_template (rtpbin.get (), "send_rtp_src_%u");
}

bool
rtcp_signals ()
{
  const auto rtpbin = inner_rtpbin ();
  return rtpbin &&
         g_signal_lookup ("on-ssrc-active", G_OBJECT_TYPE (rtpbin.get ())) &&
         g_signal_lookup ("on-bye-ssrc", G_OBJECT_TYPE (rtpbin.get ()));
}

bool
rtp_statistics ()
{
  // One by itself: webrtcbin's calls webrtcbin when it gets a pad.
  const auto rtpbin = made ("rtpbin");
  if (!rtpbin ||
      !g_signal_lookup ("get-internal-session", G_OBJECT_TYPE (rtpbin.get ())))
    return false;
  const auto pad =
      adopt (gst_element_request_pad_simple (rtpbin.get (), "send_rtp_sink_0"));
  g_autoptr (GObject) session = nullptr;
  g_signal_emit_by_name (rtpbin.get (), "get-internal-session", 0u, &session);
  bool array = false;
  if (session && has_properties (session, {"stats"})) {
    g_autoptr (GstStructure) stats = nullptr;
    g_object_get (session, "stats", &stats, nullptr);
    const GValue *sources =
        stats ? gst_structure_get_value (stats, "source-stats") : nullptr;
    G_GNUC_BEGIN_IGNORE_DEPRECATIONS
    array = sources && G_VALUE_HOLDS (sources, g_value_array_get_type ());
    G_GNUC_END_IGNORE_DEPRECATIONS
  }
  if (pad)
    gst_element_release_request_pad (rtpbin.get (), pad.get ());
  return array;
}

// The event itself is seen where it comes.
bool
transport_feedback ()
{
  const auto session = made ("rtpsession");
  return session && has_properties (G_OBJECT (session.get ()), {"twcc-stats"});
}

bool
resend_requests ()
{
  return has_pads ("rtprtxsend", {"src"});
}

bool
ice_agent ()
{
  const auto webrtc = made ("webrtcbin");
  const auto ice = ice_of (webrtc.get ());
  if (!ice || !has_properties (ice.get (), {"agent"}))
    return false;
  g_autoptr (GObject) agent = nullptr;
  g_object_get (ice.get (), "agent", &agent, nullptr);
  return agent && NICE_IS_AGENT (agent) &&
         has_properties (
             agent, {"upnp", "ice-tcp", "stun-pacing-timer", "idle-timeout"});
}

bool
port_range ()
{
  const auto webrtc = made ("webrtcbin");
  const auto ice = ice_of (webrtc.get ());
  return ice && has_properties (ice.get (), {"min-rtp-port", "max-rtp-port"});
}

bool
incoming_pad ()
{
  return has_agent_properties ("nicesrc") && has_pads ("nicesrc", {"src"});
}

bool
rejected_data ()
{
  return has_pads ("dtlsdec", {"src"});
}

// A packet to itself. Where that cannot be tried it may still be so: then it is
// seen in use.
bool
arrival_times ()
{
  const int fd = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0)
    return true;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto *any = reinterpret_cast<sockaddr *> (&address);
  char byte = 0;
  pollfd ready = {fd, POLLIN, 0};
  bool tells = true;
  timeval at = {};
  if (bind (fd, any, size) == 0 && getsockname (fd, any, &size) == 0) {
    // It begins to count with the first question.
    const bool first = ioctl (fd, SIOCGSTAMP, &at) == 0 || errno == ENOENT;
    if (!first)
      tells = false;
    else if (sendto (fd, &byte, 1, 0, any, size) == 1 &&
             poll (&ready, 1, 1000) == 1 && recv (fd, &byte, 1, 0) == 1)
      tells = ioctl (fd, SIOCGSTAMP, &at) == 0 && at.tv_sec > 0;
  }
  close (fd);
  return tells;
}

} // namespace robotlive::internal_checks
