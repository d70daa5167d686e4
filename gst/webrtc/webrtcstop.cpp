// SPDX-License-Identifier: LGPL-2.1-or-later
#include "webrtc/webrtcstop.hpp"
#include "webrtc/findelement.hpp"
#include "webrtc/internals.hpp"
#include <chrono>
#include <condition_variable>
#include <initializer_list>
#include <memory>
#include <mutex>
#define GST_USE_UNSTABLE_API
#include <gst/webrtc/webrtc.h>

namespace robotlive {

namespace {

// Takes from *end*, a sender or receiver, what receiving bins wait for.
void
disconnect_receivers (GObject *end, GList *bins)
{
  g_autoptr (GObject) dtls = nullptr;
  g_autoptr (GObject) ice = nullptr;
  if (end)
    g_object_get (end, "transport", &dtls, nullptr);
  if (dtls)
    g_object_get (dtls, "transport", &ice, nullptr);
  for (GList *bin = bins; ice && bin; bin = bin->next)
    g_signal_handlers_disconnect_by_data (ice, bin->data);
}

struct Idle
{
  std::mutex mutex;
  std::condition_variable changed;
  bool reached = false;
};

GstPadProbeReturn
drop (GstPad *, GstPadProbeInfo *, gpointer)
{
  return GST_PAD_PROBE_DROP;
}

GstPadProbeReturn
tell_idle (GstPad *, GstPadProbeInfo *, gpointer data)
{
  auto &idle = **static_cast<std::shared_ptr<Idle> *> (data);
  std::lock_guard<std::mutex> lock (idle.mutex);
  idle.reached = true;
  idle.changed.notify_all ();
  return GST_PAD_PROBE_REMOVE;
}

// Nothing that comes from the peer goes further; what is on its way is through.
// False: nothing could come, or that cannot be stopped.
bool
stop_inbound (GstElement *webrtc)
{
  if (!internal_holds (Internal::IncomingPad))
    return false;
  const auto source = find_element (webrtc, "nicesrc");
  if (!source)
    return false;
  auto pad = adopt (gst_element_get_static_pad (source.get (), "src"));
  if (!pad)
    return false;
  gst_pad_add_probe (pad.get (),
      static_cast<GstPadProbeType> (
          GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST),
      drop, nullptr, nullptr);
  auto idle = std::make_shared<Idle> ();
  gst_pad_add_probe (pad.get (), GST_PAD_PROBE_TYPE_IDLE, tell_idle,
      new std::shared_ptr<Idle> (idle), [] (gpointer data) {
        delete static_cast<std::shared_ptr<Idle> *> (data);
      });
  // A packet takes microseconds, unless it is held back by the receiving bin's
  // block because ICE is not yet through: then the state change frees it.
  std::unique_lock<std::mutex> lock (idle->mutex);
  idle->changed.wait_for (lock, std::chrono::milliseconds (100),
      [&idle] () { return idle->reached; });
  return true;
}

} // namespace

void
prepare_webrtc_for_null (GstElement *webrtc)
{
  const bool has_transport = stop_inbound (webrtc);
  if (!internal_holds (Internal::ReceivingBin))
    return;
  // From 1.28 on: ends all that could tell of another state.
  const bool closes = g_signal_lookup ("close", G_OBJECT_TYPE (webrtc));
  if (closes)
    g_signal_emit_by_name (webrtc, "close", nullptr);
  GList *bins = nullptr;
  GST_OBJECT_LOCK (webrtc);
  for (GList *child = GST_BIN_CHILDREN (webrtc); child; child = child->next)
    if (g_str_equal (G_OBJECT_TYPE_NAME (child->data), "TransportReceiveBin"))
      bins = g_list_prepend (bins, gst_object_ref (child->data));
  GST_OBJECT_UNLOCK (webrtc);
  if (has_transport && !closes && !bins)
    internal_failed (Internal::ReceivingBin);
  g_autoptr (GArray) transceivers = nullptr;
  if (bins)
    g_signal_emit_by_name (webrtc, "get-transceivers", &transceivers);
  for (guint i = 0; transceivers && i < transceivers->len; i++) {
    auto *transceiver = g_array_index (transceivers, GObject *, i);
    for (const char *name : {"sender", "receiver"}) {
      g_autoptr (GObject) end = nullptr;
      g_object_get (transceiver, name, &end, nullptr);
      disconnect_receivers (end, bins);
    }
  }
  g_list_free_full (bins, gst_object_unref);
}

} // namespace robotlive
