// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Viewer's part for its peer's candidates. Browsers hide addresses behind names
// (mDNS). They are looked up here: webrtcbin 1.22 keeps itself for ever, and
// its threads and sockets, when it ends while it waits for such a name.
#include "viewer/viewer.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

// A browser has a name for each interface of its machine.
constexpr unsigned kMostNames = 8;
constexpr std::size_t kMostEarly = 64;

// Belongs to the cancellable: nobody is called when the loop has ended.
struct Lookup
{
  std::function<void (const std::string &address)> found;
};

void
on_looked_up (GObject *resolver, GAsyncResult *result, gpointer data)
{
  GList *addresses =
      g_resolver_lookup_by_name_finish (G_RESOLVER (resolver), result, nullptr);
  if (!addresses)
    return; // gone, or unknown: checks that come from there may do
  g_autofree char *text =
      g_inet_address_to_string (G_INET_ADDRESS (addresses->data));
  g_resolver_free_addresses (addresses);
  static_cast<Lookup *> (data)->found (text);
}

} // namespace

void
Viewer::add_candidate (const std::string &candidate)
{
  if (const auto name = candidate_name (candidate); !name.empty ())
    look_up (name, candidate);
  else
    give_candidate (candidate);
}

void
Viewer::give_candidate (const std::string &candidate)
{
  if (local_set_)
    g_signal_emit_by_name (
        webrtc_.get (), "add-ice-candidate", 0u, candidate.c_str ());
  else if (early_candidates_.size () < kMostEarly)
    early_candidates_.push_back (candidate);
}

void
Viewer::look_up (const std::string &name, const std::string &candidate)
{
  if (++lookup_count_ > kMostNames) {
    GST_DEBUG_OBJECT (bin_, "viewer %s: too many names", peer_id_.c_str ());
    return;
  }
  if (!lookups_)
    lookups_ = adopt (g_cancellable_new ());
  const auto found = [viewer = weak_from_this (), candidate] (
                         const std::string &address) {
    if (const auto self = viewer.lock (); self && !self->stopped_)
      self->give_candidate (with_address (candidate, address));
  };
  auto *lookup = new Lookup{found};
  g_object_set_data_full (G_OBJECT (lookups_.get ()),
      ("name-" + std::to_string (lookup_count_)).c_str (), lookup,
      [] (gpointer data) { delete static_cast<Lookup *> (data); });
  const auto resolver = adopt (g_resolver_get_default ());
  g_resolver_lookup_by_name_async (
      resolver.get (), name.c_str (), lookups_.get (), on_looked_up, lookup);
}

// Those that stand in the offer itself.
void
Viewer::take_names (GstSDPMessage *offer)
{
  for (guint i = 0; i < gst_sdp_message_medias_len (offer); i++) {
    auto *media =
        const_cast<GstSDPMedia *> (gst_sdp_message_get_media (offer, i));
    for (guint n = gst_sdp_media_attributes_len (media); n > 0; n--) {
      const auto *attribute = gst_sdp_media_get_attribute (media, n - 1);
      if (!g_str_equal (attribute->key, "candidate") || !attribute->value)
        continue;
      const auto candidate = std::string ("candidate:") + attribute->value;
      const auto name = candidate_name (candidate);
      if (name.empty ())
        continue;
      gst_sdp_media_remove_attribute (media, n - 1);
      look_up (name, candidate);
    }
  }
}

} // namespace robotlive
