// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The Controller's dealings with the keys that grants are checked with.
#include "base/uri.hpp"
#include "bin/controller.hpp"
#include "bin/errors.hpp"

GST_DEBUG_CATEGORY_EXTERN (gst_signaling_bin_debug);
#define GST_CAT_DEFAULT gst_signaling_bin_debug

namespace robotlive {

namespace {

constexpr std::int64_t kWarnAgain = 600 * std::int64_t (1000000000);

std::string
names_of (const JwtKeySet &keys)
{
  std::string list;
  for (const std::string &id : keys.key_ids ())
    list += (list.empty () ? "" : " ") + (id.empty () ? "(secret)" : id);
  return list;
}

} // namespace

void
Controller::load_keys ()
{
  GrantKeys::Place place;
  std::string why;
  JwtKeySet known;
  if (!settings_.grant_key.empty ()) {
    // check_settings () has read it at NULL to READY. Here it is read anew, and
    // offers wait for it.
    place.file = settings_.grant_key;
  } else {
    place.url = grant_key_url (settings_.signaling_server, &why);
    place.tls_ca_file = settings_.tls_ca_file;
    if (place == known_place_)
      known = known_keys_;
  }
  auto loop = loop_.lock ();
  if (!loop || (place.url.empty () && place.file.empty ()))
    return;
  known_place_ = place;
  admission_->set_keys (known);
  keys_ = std::make_unique<GrantKeys> (
      *loop, place, std::move (known), [this] () { keys_answered (); },
      [this] (const std::string &message) {
        on_error ("unavailable", message, false);
      });
}

void
Controller::forget_keys ()
{
  keys_.reset ();
  updates_.clear ();
}

void
Controller::keys_answered ()
{
  known_keys_ = keys_->keys ();
  GST_INFO_OBJECT (element_, "grant keys, the newest first: %s",
      names_of (known_keys_).c_str ());
  admission_->set_keys (known_keys_);
  const auto updates = std::move (updates_);
  updates_.clear ();
  for (const auto &[peer_id, update] : updates)
    if (const auto found = viewers_.find (peer_id); found != viewers_.end ())
      set_terms (*std::shared_ptr<Viewer> (found->second), update.session,
          update.arrived_at, update.key_answer);
  if (!updates.empty ())
    announce_sessions ();
  proceed_all ();
}

bool
Controller::wait_for_keys (const Refusal &refusal, unsigned *answer)
{
  if (refusal.code != kGrantRefused || !keys_)
    return false;
  if (*answer == 0)
    *answer = keys_->ask_again ();
  return *answer > keys_->answered ();
}

void
Controller::warn_of_keys (const Refusal &refusal)
{
  const auto now = boot_now ();
  if (keys_warned_at_ && now - keys_warned_at_ < kWarnAgain)
    return;
  keys_warned_at_ = now;
  std::string where = "the grant-key file " + settings_.grant_key;
  std::string remedy =
      "Put what \"robotlive-signaling key show\" prints on the server into it: "
      "it may hold several keys.";
  if (settings_.grant_key.empty ()) {
    where = "the key set of " + redacted_uri (settings_.signaling_server);
    remedy = keys_ && !keys_->last_failure ().empty ()
                 ? keys_->last_failure ()
                 : "Do other servers stand behind that address, with another "
                   "database?";
  }
  on_error (kGrantRefused,
      "Viewers are refused: their grants are signed with a key that is not "
      "in " +
          where + ". " + remedy + " (" + refusal.message + ")",
      false);
}

std::string
Controller::keys_missing () const
{
  return keys_ && !keys_->last_failure ().empty ()
             ? keys_->last_failure ()
             : "The robot could not get the server's grant key in time.";
}

} // namespace robotlive
