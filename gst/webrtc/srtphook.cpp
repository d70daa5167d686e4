// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/srtphook.hpp"
#include "base/glibptr.hpp"
#include "transport/srtpsender.hpp"
#include "transport/udpsender.hpp"
#include "webrtc/icepath.hpp"
#include "webrtc/internals.hpp"
#include <gst/gst.h>
#include <memory>
#include <mutex>
#include <string>

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr char kDataKey[] = "robotlive-srtp";

// Of an enumeration whose type is srtpenc's own.
bool
has_value (GstElement *element, const char *property, const char *wanted)
{
  GParamSpec *spec =
      g_object_class_find_property (G_OBJECT_GET_CLASS (element), property);
  if (!spec || !G_IS_PARAM_SPEC_ENUM (spec))
    return false;
  gint number = 0;
  g_object_get (element, property, &number, nullptr);
  const GEnumValue *value =
      g_enum_get_value (G_PARAM_SPEC_ENUM (spec)->enum_class, number);
  return value && g_str_equal (value->value_nick, wanted);
}

// One srtpenc's media.
class Media
{
public:
  // srtpenc has got another key. From DTLS: before any packet comes, as
  // webrtcbin holds them back until this is through.
  void key_changed (GstElement *srtpenc)
  {
    g_autoptr (GstBuffer) key = nullptr;
    g_autoptr (GstBuffer) identifier = nullptr;
    g_object_get (srtpenc, "key", &key, "mki", &identifier, nullptr);
    const bool known = key && !identifier &&
                       has_value (srtpenc, "rtp-cipher", "aes-128-icm") &&
                       has_value (srtpenc, "rtp-auth", "hmac-sha1-80");
    std::lock_guard<std::mutex> lock (mutex_);
    if (way_ == Way::Theirs)
      return;
    bool set = false;
    GstMapInfo map;
    if (known && gst_buffer_map (key, &map, GST_MAP_READ)) {
      set = sender_.set_master (map.data, map.size);
      gst_buffer_unmap (key, &map);
    } else {
      sender_.set_master (nullptr, 0);
    }
    // Never back: with a key that both have used, packets would betray each
    // other. What has no key by then goes nowhere.
    if (way_ == Way::Unknown)
      way_ = set ? Way::Ours : Way::Theirs;
    GST_INFO_OBJECT (
        srtpenc, "media is protected by %s", set ? "OpenSSL" : "srtpenc");
  }

  // A packet, or a list of them, has come. False: srtpenc shall have it, and
  // all that follow.
  bool ours ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    if (way_ == Way::Ours)
      return true;
    way_ = Way::Theirs;
    counts_.left++;
    return false;
  }

  // Encrypts into *to*, where there is room for the tag as well, as frames are
  // shared with other viewers. False: it must not leave.
  bool protect (GstBuffer *packet, guint8 *to, gsize size, bool direct)
  {
    bool done = gst_buffer_extract (packet, 0, to, size) == size;
    {
      std::lock_guard<std::mutex> lock (mutex_);
      done = done && sender_.protect (to, size);
      ++(done ? counts_.sent : counts_.refused);
      counts_.direct += done && direct;
    }
    if (!done)
      GST_WARNING ("a packet of %" G_GSIZE_FORMAT " bytes was not sent", size);
    return done;
  }

  SrtpCounts counts ()
  {
    std::lock_guard<std::mutex> lock (mutex_);
    return counts_;
  }

private:
  enum class Way
  {
    Unknown,
    Ours,
    Theirs
  };

  std::mutex mutex_;
  Way way_ = Way::Unknown;
  SrtpSender sender_;
  SrtpCounts counts_;
};

using SharedMedia = std::shared_ptr<Media>;

// From a sink pad of srtpenc to its source pad, or right to the peer; data of
// the former.
struct Detour
{
  SharedMedia media;
  GPtr<GstPad> out;
  // srtpenc's own.
  GstPadChainFunction chain;
  GstPadChainListFunction chain_list;

  bool searched = false;
  IcePath path;
  UdpSender udp;

  // Pads, elements and libnice between here and the socket cost more than the
  // encryption does: not for media that leaves from a socket of this machine.
  bool is_direct (GstPad *pad)
  {
    if (!searched) {
      searched = true;
      if (auto srtpenc = adopt (gst_pad_get_parent_element (pad)))
        path.find (srtpenc.get ());
    }
    return path.look ();
  }
  void send (GstBuffer *packet)
  {
    const gsize size = gst_buffer_get_size (packet);
    guint8 *room = udp.room (size + SrtpSender::kTagSize);
    if (media->protect (packet, room, size, true))
      udp.add (size + SrtpSender::kTagSize);
    if (udp.full ())
      leave ();
  }
  void leave ()
  {
    udp.send (path.fd (), path.address (), path.address_length ());
  }
};

// Null: it must not leave.
GstBuffer *
protected_copy (Media &media, GstBuffer *packet)
{
  const gsize size = gst_buffer_get_size (packet);
  GstBuffer *made =
      gst_buffer_new_allocate (nullptr, size + SrtpSender::kTagSize, nullptr);
  GstMapInfo map;
  if (!made || !gst_buffer_map (made, &map, GST_MAP_WRITE)) {
    gst_clear_buffer (&made);
    return nullptr;
  }
  const bool done = media.protect (packet, map.data, size, false);
  gst_buffer_unmap (made, &map);
  if (!done) {
    gst_clear_buffer (&made);
    return nullptr;
  }
  gst_buffer_copy_into (made, packet,
      static_cast<GstBufferCopyFlags> (
          GST_BUFFER_COPY_FLAGS | GST_BUFFER_COPY_TIMESTAMPS),
      0, static_cast<gsize> (-1));
  return made;
}

GstFlowReturn
send (GstPad *pad, GstObject *parent, GstBuffer *packet)
{
  auto &detour = *static_cast<Detour *> (pad->chaindata);
  if (!detour.media->ours ())
    return detour.chain (pad, parent, packet);
  if (detour.is_direct (pad)) {
    detour.send (packet);
    detour.leave ();
    gst_buffer_unref (packet);
    return GST_FLOW_OK;
  }
  GstBuffer *made = protected_copy (*detour.media, packet);
  gst_buffer_unref (packet);
  return made ? gst_pad_push (detour.out.get (), made) : GST_FLOW_OK;
}

GstFlowReturn
send_list (GstPad *pad, GstObject *parent, GstBufferList *packets)
{
  auto &detour = *static_cast<Detour *> (pad->chaindata);
  if (!detour.media->ours ())
    return detour.chain_list (pad, parent, packets);
  const guint count = gst_buffer_list_length (packets);
  if (detour.is_direct (pad)) {
    for (guint i = 0; i < count; i++)
      detour.send (gst_buffer_list_get (packets, i));
    detour.leave ();
    gst_buffer_list_unref (packets);
    return GST_FLOW_OK;
  }
  GstBufferList *made = gst_buffer_list_new_sized (count);
  for (guint i = 0; i < count; i++)
    if (auto *one =
            protected_copy (*detour.media, gst_buffer_list_get (packets, i)))
      gst_buffer_list_add (made, one);
  gst_buffer_list_unref (packets);
  if (gst_buffer_list_length (made) == 0) {
    gst_buffer_list_unref (made);
    return GST_FLOW_OK;
  }
  return gst_pad_push_list (detour.out.get (), made);
}

// Its functions are replaced, rather than a probe added: events stay srtpenc's
// business, and what srtpenc would do with a packet can be done after all.
void
take_over_pad (GstElement *srtpenc, GstPad *pad, const SharedMedia &media)
{
  g_autofree char *name = gst_pad_get_name (pad);
  if (!g_str_has_prefix (name, "rtp_sink_") || GST_PAD_CHAINFUNC (pad) == send)
    return;
  const auto other = "rtp_src_" + std::string (name + strlen ("rtp_sink_"));
  auto out = adopt (gst_element_get_static_pad (srtpenc, other.c_str ()));
  if (!out)
    return; // it comes after the sink pad
  if (!GST_PAD_CHAINFUNC (pad) || !GST_PAD_CHAINLISTFUNC (pad)) {
    internal_failed (Internal::SrtpMedia);
    return;
  }
  auto *detour = new Detour{media, std::move (out), GST_PAD_CHAINFUNC (pad),
      GST_PAD_CHAINLISTFUNC (pad), false, {}, {}};
  gst_pad_set_chain_function_full (pad, send, detour,
      [] (gpointer data) { delete static_cast<Detour *> (data); });
  gst_pad_set_chain_list_function (pad, send_list);
}

void
take_over_pads (GstElement *srtpenc, const SharedMedia &media)
{
  struct Both
  {
    GstElement *srtpenc;
    const SharedMedia &media;
  } both = {srtpenc, media};
  gst_element_foreach_sink_pad (
      srtpenc,
      [] (GstElement *, GstPad *pad, gpointer data) -> gboolean {
        auto &b = *static_cast<Both *> (data);
        take_over_pad (b.srtpenc, pad, b.media);
        return TRUE;
      },
      &both);
}

SharedMedia *
shared (const SharedMedia &media)
{
  return new SharedMedia (media);
}

void
unshare (gpointer data, GClosure *)
{
  delete static_cast<SharedMedia *> (data);
}

void
on_element (GstBin *, GstBin *, GstElement *element, gpointer)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  if (!factory || !g_str_equal (GST_OBJECT_NAME (factory), "srtpenc") ||
      g_object_get_data (G_OBJECT (element), kDataKey) ||
      !internal_holds (Internal::SrtpMedia))
    return;
  const auto media = std::make_shared<Media> ();
  g_object_set_data_full (G_OBJECT (element), kDataKey, shared (media),
      [] (gpointer data) { unshare (data, nullptr); });
  g_signal_connect_data (element, "notify::key",
      G_CALLBACK (+[] (GstElement *srtpenc, GParamSpec *, SharedMedia *m) {
        (*m)->key_changed (srtpenc);
      }),
      shared (media), unshare, static_cast<GConnectFlags> (0));
  // The source pad is added after the sink pad, and both before data flows.
  g_signal_connect_data (element, "pad-added",
      G_CALLBACK (+[] (GstElement *srtpenc, GstPad *, SharedMedia *m) {
        take_over_pads (srtpenc, *m);
      }),
      shared (media), unshare, static_cast<GConnectFlags> (0));
  take_over_pads (element, media);
}

} // namespace

void
take_over_srtp (GstElement *webrtc)
{
  g_signal_connect (
      webrtc, "deep-element-added", G_CALLBACK (on_element), nullptr);
}

SrtpCounts
srtp_counts (GstElement *srtpenc)
{
  auto *media = static_cast<SharedMedia *> (
      g_object_get_data (G_OBJECT (srtpenc), kDataKey));
  return media ? (*media)->counts () : SrtpCounts ();
}

} // namespace robotlive
