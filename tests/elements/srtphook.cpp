// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Media that OpenSSL protects in srtpenc's place: that srtpdec takes it, that
// it is so in a session, and that nothing ever leaves in the clear.
#include "webrtc/srtphook.hpp"
#include "bintest.hpp"
#include "transport/srtpsender.hpp"
#include "webrtc/findelement.hpp"
#include <gst/check/gstharness.h>
#include <gst/rtp/gstrtpbuffer.h>
#include <mutex>
#include <set>

using namespace robotlive;
using namespace robotlive::test;

namespace {

constexpr char kRtp[] = "application/x-rtp, media=video, clock-rate=90000, "
                        "encoding-name=VP8, payload=96";

GstBuffer *
new_key (guint8 first, gsize size = SrtpSender::kMasterSize)
{
  GstBuffer *key = gst_buffer_new_allocate (nullptr, size, nullptr);
  gst_buffer_memset (key, 0, 0x5a, size);
  gst_buffer_memset (key, 0, first, 1);
  return key;
}

// Of two memories, as payloaders make them. *shape*: 0 plain, 1 with an
// extension, 2 with sources, 3 with both and padding.
GstBuffer *
new_packet (guint16 number, guint32 ssrc, guint shape = 0, gsize size = 100)
{
  GstBuffer *head =
      gst_rtp_buffer_new_allocate (0, shape == 3 ? 4 : 0, shape >= 2 ? 3 : 0);
  GstRTPBuffer rtp = GST_RTP_BUFFER_INIT;
  gst_rtp_buffer_map (head, GST_MAP_READWRITE, &rtp);
  gst_rtp_buffer_set_payload_type (&rtp, 96);
  gst_rtp_buffer_set_seq (&rtp, number);
  gst_rtp_buffer_set_ssrc (&rtp, ssrc);
  gst_rtp_buffer_set_timestamp (&rtp, number * 3000u);
  for (guint i = 0; shape >= 2 && i < 3; i++)
    gst_rtp_buffer_set_csrc (&rtp, guint8 (i), 0x77777700u + i);
  const guint8 value[2] = {guint8 (number), guint8 (ssrc)};
  if (shape & 1)
    gst_rtp_buffer_add_extension_onebyte_header (&rtp, 4, value, 2);
  gst_rtp_buffer_unmap (&rtp);
  if (shape == 3)
    return head;
  GstBuffer *payload = gst_buffer_new_allocate (nullptr, size, nullptr);
  gst_buffer_memset (payload, 0, guint8 (number ^ ssrc), size);
  return gst_buffer_append (head, payload);
}

std::string
bytes_of (GstBuffer *buffer)
{
  std::string bytes (gst_buffer_get_size (buffer), 0);
  gst_buffer_extract (buffer, 0, &bytes[0], bytes.size ());
  return bytes;
}

// A srtpenc in a bin, as webrtcbin has it, whose media is taken over.
struct Encrypter
{
  Encrypter ()
  {
    bin = sink (gst_bin_new (nullptr));
    take_over_srtp (bin.get ());
    srtpenc = gst_element_factory_make ("srtpenc", nullptr);
    g_object_set (srtpenc, "random-key", TRUE, nullptr);
    gst_bin_add (GST_BIN (bin.get ()), srtpenc);
    harness = gst_harness_new_with_element (srtpenc, "rtp_sink_0", "rtp_src_0");
    gst_harness_set_src_caps_str (harness, kRtp);
  }
  ~Encrypter () { gst_harness_teardown (harness); }

  void set_key (guint8 first, const char *cipher = "aes-128-icm",
      const char *authentication = "hmac-sha1-80", gsize size = 30)
  {
    gst_util_set_object_arg (G_OBJECT (srtpenc), "rtp-cipher", cipher);
    gst_util_set_object_arg (G_OBJECT (srtpenc), "rtcp-cipher", cipher);
    gst_util_set_object_arg (G_OBJECT (srtpenc), "rtp-auth", authentication);
    g_autoptr (GstBuffer) key = new_key (first, size);
    g_object_set (srtpenc, "key", key, nullptr);
  }
  // What comes out for it; "" for nothing.
  std::string send (GstBuffer *packet)
  {
    const guint before = gst_harness_buffers_received (harness);
    fail_unless_equals_int (GST_FLOW_OK, gst_harness_push (harness, packet));
    if (gst_harness_buffers_received (harness) == before)
      return "";
    g_autoptr (GstBuffer) made = gst_harness_pull (harness);
    return bytes_of (made);
  }
  SrtpCounts counts () { return srtp_counts (srtpenc); }

  GPtr<GstElement> bin;
  GstElement *srtpenc;
  GstHarness *harness;
};

GstPadProbeReturn
refuse (GstPad *, GstPadProbeInfo *info, gpointer flow)
{
  gst_mini_object_unref (GST_MINI_OBJECT (GST_PAD_PROBE_INFO_DATA (info)));
  GST_PAD_PROBE_INFO_DATA (info) = nullptr;
  GST_PAD_PROBE_INFO_FLOW_RETURN (info) =
      static_cast<GstFlowReturn> (GPOINTER_TO_INT (flow));
  return GST_PAD_PROBE_HANDLED;
}

} // namespace

GST_START_TEST (test_srtpdec_takes_what_is_made)
{
  Encrypter encrypter;
  encrypter.set_key (1);
  GstHarness *decrypter =
      gst_harness_new_with_padnames ("srtpdec", "rtp_sink", "rtp_src");
  g_autoptr (GstBuffer) key = new_key (1);
  for (const guint32 ssrc : {0xfffffff0u, 7u}) {
    g_autoptr (GstCaps) caps = gst_caps_new_simple ("application/x-srtp",
        "srtp-key", GST_TYPE_BUFFER, key, "srtp-cipher", G_TYPE_STRING,
        "aes-128-icm", "srtp-auth", G_TYPE_STRING, "hmac-sha1-80",
        "srtcp-cipher", G_TYPE_STRING, "aes-128-icm", "srtcp-auth",
        G_TYPE_STRING, "hmac-sha1-80", "ssrc", G_TYPE_UINT, ssrc, nullptr);
    gst_harness_set_src_caps (decrypter, gst_caps_ref (caps));
  }
  // Twice round, each source by itself, with packets that change places.
  const auto exchange = [&] (guint16 number, guint32 ssrc) {
    const guint shape = number % 4;
    g_autoptr (GstBuffer) packet = new_packet (number, ssrc, shape);
    const auto plain = bytes_of (packet);
    const auto made = encrypter.send (gst_buffer_ref (packet));
    fail_unless_equals_int (plain.size () + 10, made.size ());
    fail_unless (
        made.find (plain.substr (plain.size () - 4)) == std::string::npos,
        "%u: in the clear", number);
    fail_unless_equals_int (
        GST_FLOW_OK, gst_harness_push (decrypter,
                         gst_buffer_new_memdup (made.data (), made.size ())));
    g_autoptr (GstBuffer) back = gst_harness_try_pull (decrypter);
    fail_unless (back != nullptr, "%u of %u is not accepted", number, ssrc);
    fail_unless (bytes_of (back) == plain);
  };
  for (unsigned i = 0; i < 2 * 65536 + 200; i += 2) {
    exchange (guint16 (65400 + i + 1), 7);
    exchange (guint16 (65400 + i), 7);
    if (i % 64 == 0)
      for (unsigned j = 0; j < 64; j++)
        exchange (guint16 (10 + i + j), 0xfffffff0u);
  }
  const auto counts = encrypter.counts ();
  fail_unless (counts.sent > 4 * 65536);
  fail_unless_equals_int (0, counts.refused);
  fail_unless_equals_int (0, counts.left);
  gst_harness_teardown (decrypter);
}
GST_END_TEST

GST_START_TEST (test_a_list_stays_one_list)
{
  Encrypter encrypter;
  encrypter.set_key (1);
  static unsigned lists, listed;
  lists = listed = 0;
  auto out =
      adopt (gst_element_get_static_pad (encrypter.srtpenc, "rtp_src_0"));
  gst_pad_add_probe (
      out.get (),
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      [] (GstPad *, GstPadProbeInfo *info, gpointer) {
        if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
          lists++;
          listed +=
              gst_buffer_list_length (GST_PAD_PROBE_INFO_BUFFER_LIST (info));
        } else {
          fail ("a packet by itself");
        }
        return GST_PAD_PROBE_OK;
      },
      nullptr, nullptr);
  auto in = adopt (gst_pad_get_peer (
      adopt (gst_element_get_static_pad (encrypter.srtpenc, "rtp_sink_0"))
          .get ()));
  GstBufferList *list = gst_buffer_list_new ();
  for (guint16 number = 0; number < 20; number++) {
    GstBuffer *packet = new_packet (number, 1);
    GST_BUFFER_PTS (packet) = 5 * GST_SECOND;
    GST_BUFFER_FLAG_SET (packet, GST_BUFFER_FLAG_MARKER);
    gst_buffer_list_add (list, packet);
  }
  // One that is none.
  gst_buffer_list_add (list, gst_buffer_new_memdup ("\200abcdef", 7));
  fail_unless_equals_int (GST_FLOW_OK, gst_pad_push_list (in.get (), list));
  fail_unless_equals_int (1, lists);
  fail_unless_equals_int (20, listed);
  g_autoptr (GstBuffer) made = gst_harness_pull (encrypter.harness);
  fail_unless_equals_int (1, gst_buffer_n_memory (made));
  fail_unless (GST_BUFFER_PTS (made) == 5 * GST_SECOND);
  fail_unless (GST_BUFFER_FLAG_IS_SET (made, GST_BUFFER_FLAG_MARKER));
  // Of nothing but such, nothing comes.
  list = gst_buffer_list_new ();
  gst_buffer_list_add (list, gst_buffer_new_memdup ("\200abcdef", 7));
  fail_unless_equals_int (GST_FLOW_OK, gst_pad_push_list (in.get (), list));
  fail_unless_equals_int (1, lists);
  fail_unless_equals_int (2, encrypter.counts ().refused);
}
GST_END_TEST

GST_START_TEST (test_what_is_no_packet_goes_nowhere)
{
  Encrypter encrypter;
  encrypter.set_key (1);
  fail_unless (!encrypter.send (new_packet (1, 1)).empty ());
  const std::string broken[] = {"", "\x80", std::string (11, '\x80'),
      std::string (12, '\x41'), "\x9f" + std::string (40, '\x01'),
      "\x90" + std::string (12, '\xff'), "\x90" + std::string (40, '\xff')};
  for (const auto &bytes : broken) {
    GstBuffer *packet =
        bytes.empty () ? gst_buffer_new ()
                       : gst_buffer_new_memdup (bytes.data (), bytes.size ());
    fail_unless (encrypter.send (packet) == "");
  }
  fail_unless (encrypter.send (new_packet (1, 1)) == "", "a number again");
  fail_unless_equals_int (
      G_N_ELEMENTS (broken) + 1, encrypter.counts ().refused);
  fail_unless (!encrypter.send (new_packet (2, 1)).empty ());
}
GST_END_TEST

// Flow returns of what comes behind reach what stands before.
GST_START_TEST (test_refusals_go_upstream)
{
  Encrypter encrypter;
  encrypter.set_key (1);
  auto out =
      adopt (gst_element_get_static_pad (encrypter.srtpenc, "rtp_src_0"));
  for (const auto flow : {GST_FLOW_FLUSHING, GST_FLOW_EOS, GST_FLOW_ERROR}) {
    const gulong probe = gst_pad_add_probe (out.get (),
        GST_PAD_PROBE_TYPE_BUFFER, refuse, GINT_TO_POINTER (flow), nullptr);
    fail_unless_equals_int (flow, gst_harness_push (encrypter.harness,
                                      new_packet (guint16 (10 - flow), 1)));
    gst_pad_remove_probe (out.get (), probe);
  }
  fail_unless (
      gst_harness_push_event (encrypter.harness, gst_event_new_eos ()));
  fail_unless_equals_int (
      GST_FLOW_EOS, gst_harness_push (encrypter.harness, new_packet (50, 1)));
}
GST_END_TEST

GST_START_TEST (test_other_profiles_are_left_to_srtpenc)
{
  const struct
  {
    const char *cipher, *authentication;
    gsize key_size, added;
  } profiles[] = {{"aes-128-icm", "hmac-sha1-32", 30, 4},
      {"aes-256-icm", "hmac-sha1-80", 46, 10}};
  for (const auto &profile : profiles) {
    Encrypter encrypter;
    encrypter.set_key (
        1, profile.cipher, profile.authentication, profile.key_size);
    for (guint16 number = 1; number <= 3; number++) {
      g_autoptr (GstBuffer) packet = new_packet (number, 1);
      const auto plain = bytes_of (packet);
      const auto made = encrypter.send (gst_buffer_ref (packet));
      fail_unless_equals_int (plain.size () + profile.added, made.size ());
      fail_if (
          made.find (plain.substr (plain.size () - 8)) != std::string::npos);
    }
    fail_unless_equals_int (3, encrypter.counts ().left);
    fail_unless_equals_int (0, encrypter.counts ().sent);
    // And they stay there.
    encrypter.set_key (2);
    fail_unless (!encrypter.send (new_packet (4, 1)).empty ());
    fail_unless_equals_int (4, encrypter.counts ().left);
  }
}
GST_END_TEST

// With its random key srtpenc is heard by nobody; but a key that comes later
// could be one that it has used.
GST_START_TEST (test_what_srtpenc_has_begun_it_goes_on_with)
{
  Encrypter encrypter;
  const auto made = encrypter.send (new_packet (1, 1));
  fail_unless_equals_int (12 + 100 + 10, made.size ());
  encrypter.set_key (1);
  fail_unless (!encrypter.send (new_packet (2, 1)).empty ());
  fail_unless_equals_int (2, encrypter.counts ().left);
  fail_unless_equals_int (0, encrypter.counts ().sent);
}
GST_END_TEST

GST_START_TEST (test_another_key_is_followed)
{
  Encrypter encrypter;
  encrypter.set_key (1);
  fail_unless (!encrypter.send (new_packet (1, 1)).empty ());
  encrypter.set_key (2);
  fail_unless (encrypter.send (new_packet (1, 1)) == "", "numbers go on");
  const auto renewed = encrypter.send (new_packet (2, 1));
  SrtpSender expected;
  g_autoptr (GstBuffer) second_key = new_key (2);
  const auto key = bytes_of (second_key);
  fail_unless (expected.set_master (
      reinterpret_cast<const guint8 *> (key.data ()), key.size ()));
  g_autoptr (GstBuffer) packet = new_packet (2, 1);
  auto wanted = bytes_of (packet);
  const auto size = wanted.size ();
  wanted.resize (size + SrtpSender::kTagSize);
  fail_unless (
      expected.protect (reinterpret_cast<guint8 *> (&wanted[0]), size));
  fail_unless (renewed == wanted);
  // A profile that is not ours, or no key: silence, and srtpenc is not asked,
  // whose counter knows nothing of what has been sent.
  encrypter.set_key (2, "aes-128-icm", "hmac-sha1-32");
  fail_unless (encrypter.send (new_packet (3, 1)) == "");
  g_object_set (encrypter.srtpenc, "key", nullptr, nullptr);
  fail_unless (encrypter.send (new_packet (4, 1)) == "");
  encrypter.set_key (3);
  fail_unless (!encrypter.send (new_packet (5, 1)).empty ());
  fail_unless_equals_int (0, encrypter.counts ().left);
  fail_unless_equals_int (3, encrypter.counts ().refused);
}
GST_END_TEST

namespace {

// What came to the encryption, and what arrived.
struct Wire
{
  std::mutex mutex;
  std::set<std::string> payloads; // the last bytes of each
  unsigned media = 0, clear = 0, unknown = 0;

  void plain (GstBuffer *packet)
  {
    const auto bytes = bytes_of (packet);
    std::lock_guard<std::mutex> lock (mutex);
    if (bytes.size () > 12 + kTail)
      payloads.insert (bytes.substr (bytes.size () - kTail));
  }
  void sent (GstBuffer *packet)
  {
    const auto bytes = bytes_of (packet);
    std::lock_guard<std::mutex> lock (mutex);
    const auto first = guint8 (bytes.empty () ? 0 : bytes[0]);
    if (first >= 20 && first <= 63)
      return; // DTLS (RFC 7983)
    if (first < 128 || bytes.size () < 12)
      unknown++;
    else if (const auto type = guint8 (bytes[1]); type >= 192 && type <= 223)
      return; // RTCP (RFC 5761)
    else
      media++;
    for (std::size_t at = 0; at + kTail <= bytes.size (); at++)
      clear += payloads.count (bytes.substr (at, kTail)) > 0;
  }

  static constexpr std::size_t kTail = 16;
};

template <void (Wire::*Note) (GstBuffer *)>
GstPadProbeReturn
note (GstPad *, GstPadProbeInfo *info, gpointer data)
{
  auto &wire = *static_cast<Wire *> (data);
  if (!(info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST)) {
    (wire.*Note) (GST_PAD_PROBE_INFO_BUFFER (info));
    return GST_PAD_PROBE_OK;
  }
  GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);
  for (guint i = 0; i < gst_buffer_list_length (list); i++)
    (wire.*Note) (gst_buffer_list_get (list, i));
  return GST_PAD_PROBE_OK;
}

constexpr auto kPackets = static_cast<GstPadProbeType> (
    GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST);

// *element* is one of *factory*: what passes its pad is noted.
template <void (Wire::*Note) (GstBuffer *)>
void
watch (GstElement *element, const char *factory, const char *pad_name,
    gpointer wire)
{
  GstElementFactory *made_by = gst_element_get_factory (element);
  if (!made_by || !g_str_equal (GST_OBJECT_NAME (made_by), factory))
    return;
  auto pad = adopt (gst_element_get_static_pad (element, pad_name));
  fail_unless (pad != nullptr);
  gst_pad_add_probe (pad.get (), kPackets, note<Note>, wire, nullptr);
}

void
watch_robot (GstBin *, GstBin *, GstElement *element, gpointer wire)
{
  watch<&Wire::plain> (element, "srtpenc", "rtp_sink_0", wire);
}

void
watch_viewer (GstBin *, GstBin *, GstElement *element, gpointer wire)
{
  watch<&Wire::sent> (element, "nicesrc", "src", wire);
}

} // namespace

// Picture, sound and what is sent again.
GST_START_TEST (test_in_a_session_all_media_is_ours_and_none_is_clear)
{
  Wire wire;
  {
    Robot robot ("VP8",
        "session-policy=open audiotestsrc is-live=true ! opusenc ! "
        "bin.audio_0",
        Key::None, false);
    g_signal_connect (
        robot.bin, "deep-element-added", G_CALLBACK (watch_robot), &wire);
    gst_element_set_state (robot.pipeline, GST_STATE_PLAYING);
    ViewerOptions options;
    options.audio = true;
    TestViewer viewer (robot.link, "ann", "p1", options);
    g_signal_connect (viewer.webrtc (), "deep-element-added",
        G_CALLBACK (watch_viewer), &wire);
    fail_unless (viewer.join ());
    fail_unless (viewer.wait_frames (10));
    viewer.lose_packets ();
    fail_unless (
        robot.wait ([&] () { return robot.number ("p1", "nack") > 5; }));
    fail_unless (viewer.wait_frames (5));
    auto srtpenc = find_element (robot.bin, "srtpenc");
    fail_unless (srtpenc != nullptr);
    const auto counts = srtp_counts (srtpenc.get ());
    fail_unless (counts.sent > 30);
    fail_unless_equals_uint64 (counts.sent, counts.direct);
    fail_unless_equals_int (0, counts.left);
    fail_unless_equals_int (0, counts.refused);
  }
  fail_unless (wire.media > 30);
  fail_unless (wire.payloads.size () > 20);
  fail_unless_equals_int (0, wire.clear);
  fail_unless_equals_int (0, wire.unknown);
}
GST_END_TEST

static Suite *
srtphook_suite (void)
{
  register_elements ();
  Suite *s = suite_create ("srtphook");
  TCase *tc = tcase_create ("srtp");
  tcase_set_timeout (tc, 90);
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_srtpdec_takes_what_is_made);
  tcase_add_test (tc, test_a_list_stays_one_list);
  tcase_add_test (tc, test_what_is_no_packet_goes_nowhere);
  tcase_add_test (tc, test_refusals_go_upstream);
  tcase_add_test (tc, test_other_profiles_are_left_to_srtpenc);
  tcase_add_test (tc, test_what_srtpenc_has_begun_it_goes_on_with);
  tcase_add_test (tc, test_another_key_is_followed);
  tcase_add_test (tc, test_in_a_session_all_media_is_ours_and_none_is_clear);
  return s;
}

GST_CHECK_MAIN (srtphook)
