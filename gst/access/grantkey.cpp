// SPDX-License-Identifier: LGPL-2.1-or-later
#include "access/grantkey.hpp"
#include "base/tlsfile.hpp"
#include "base/uri.hpp"
#include "grant/keyfile.hpp"
#include <algorithm>
#include <libsoup/soup.h>

namespace robotlive {

namespace {

constexpr unsigned kDeadlineMs = 10000;
constexpr unsigned kLongestRetryMs = 60000;
constexpr std::int64_t kShortestPauseMs = 10000;
constexpr std::int64_t kLongestPauseMs = 300000;
// An offer does not wait for longer until the keys are asked for.
constexpr std::int64_t kLongestWaitMs = 10000;
constexpr gsize kMaxBytes = 64 * 1024;

bool
is_loopback (const char *host)
{
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return true;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  return address && g_inet_address_get_is_loopback (address);
}

std::int64_t
monotonic_ms ()
{
  return g_get_monotonic_time () / 1000;
}

} // namespace

std::string
grant_key_url (const std::string &signaling_server, std::string *error)
{
  g_autoptr (GUri) uri =
      g_uri_parse (signaling_server.c_str (), G_URI_FLAGS_NONE, nullptr);
  const std::string scheme = uri ? g_uri_get_scheme (uri) : "";
  const char *host = uri ? g_uri_get_host (uri) : nullptr;
  const bool secure = scheme == "https" || scheme == "wss";
  if (!host || !*host || (!secure && scheme != "http" && scheme != "ws")) {
    *error = "signaling-server must be an http, https, ws or wss URI.";
    return "";
  }
  if (!secure && !is_loopback (host)) {
    *error = std::string ("The grant key cannot be trusted when it comes over "
                          "plain HTTP from ") +
             host +
             ": use https or wss, or set grant-key to a file with the key that "
             "\"robotlive-signaling key show\" prints on the server.";
    return "";
  }
  g_autofree char *url =
      g_uri_join (G_URI_FLAGS_NONE, secure ? "https" : "http", nullptr, host,
          g_uri_get_port (uri), "/.well-known/jwks.json", nullptr, nullptr);
  return url;
}

// Outlives us when we are destroyed while it is under way.
struct GrantKeys::Attempt
{
  GrantKeys *owner; // not to be touched once *cancellable* is cancelled
  GPtr<GCancellable> cancellable;
  GPtr<SoupMessage> message;
  GPtr<GInputStream> stream;
  std::vector<char> body;
  // What the thread reads.
  std::string file, ca_file, error;
  std::optional<JwtKeySet> set;
  GPtr<GTlsDatabase> authorities;
  std::shared_ptr<int> reads; // GrantKeys::reads_ sees when that is done

  void read ()
  {
    if (!file.empty ()) {
      set = load_key_file (file, &error);
    } else if (!ca_file.empty ()) {
      g_autoptr (GError) failure = nullptr;
      authorities = adopt (ca_database_new (ca_file.c_str (), &failure));
      if (failure)
        error = failure->message;
    }
    reads.reset ();
  }
};

GrantKeys::GrantKeys (EventLoop &loop, Place place, JwtKeySet known,
    Answered answered, Failed failed)
    : loop_ (loop), place_ (std::move (place)), done_ (std::move (answered)),
      failed_ (std::move (failed)), keys_ (std::move (known))
{
  if (place_.file.empty ())
    session_ = adopt (soup_session_new ());
  if (keys_.empty ())
    start ();
}

GrantKeys::~GrantKeys ()
{
  if (cancellable_)
    g_cancellable_cancel (cancellable_.get ());
}

unsigned
GrantKeys::ask_again ()
{
  if (asked_ > answered_)
    return cancellable_ || asked_at_ - monotonic_ms () <= kLongestWaitMs
               ? asked_
               : 0;
  if (keys_.empty ())
    return 0; // asked for all the time
  const std::int64_t now = monotonic_ms ();
  const std::int64_t due =
      pause_ms_ ? std::max (asked_at_ + pause_ms_, now) : now;
  ++asked_;
  asked_at_ = due;
  if (due == now) {
    start ();
    return asked_;
  }
  next_ =
      loop_.after (static_cast<unsigned> (due - now), [this] () { start (); });
  return due - now <= kLongestWaitMs ? asked_ : 0;
}

void
GrantKeys::start ()
{
  if (!reads_.expired ()) { // a file that did not answer the last time, either
    take (std::nullopt, no_answer ());
    return;
  }
  cancellable_ = adopt (g_cancellable_new ());
  auto attempt = std::make_unique<Attempt> ();
  attempt->owner = this;
  attempt->cancellable = share (cancellable_.get ());
  attempt->file = place_.file;
  attempt->ca_file = place_.tls_ca_file;
  deadline_ = loop_.after (kDeadlineMs, [this] () {
    g_cancellable_cancel (cancellable_.get ());
    take (std::nullopt, no_answer ());
  });
  if (attempt->file.empty () && attempt->ca_file.empty ()) {
    send (std::move (attempt));
    return;
  }
  // In a thread: the file may lie on another machine.
  attempt->reads = std::make_shared<int> ();
  reads_ = attempt->reads;
  GTask *task =
      g_task_new (nullptr, attempt->cancellable.get (), on_loaded, nullptr);
  g_task_set_task_data (task, attempt.release (),
      [] (gpointer data) { delete static_cast<Attempt *> (data); });
  g_task_run_in_thread (
      task, [] (GTask *job, gpointer, gpointer data, GCancellable *) {
        static_cast<Attempt *> (data)->read ();
        g_task_return_boolean (job, TRUE);
      });
  g_object_unref (task);
}

std::string
GrantKeys::no_answer () const
{
  return place_.file.empty () ? "it did not answer within 10 s"
                              : "The grant-key file " + place_.file +
                                    " did not answer within 10 s.";
}

void
GrantKeys::on_loaded (GObject *, GAsyncResult *result, gpointer)
{
  auto &read = *static_cast<Attempt *> (g_task_get_task_data (G_TASK (result)));
  if (g_cancellable_is_cancelled (read.cancellable.get ()))
    return;
  GrantKeys &self = *read.owner;
  if (!read.file.empty ()) {
    self.take (std::move (read.set), read.error);
  } else if (!read.authorities) {
    self.take (std::nullopt, "tls-ca-file cannot be used: " + read.error);
  } else {
    soup_session_set_tls_database (
        self.session_.get (), read.authorities.get ());
    auto attempt = std::make_unique<Attempt> ();
    attempt->owner = read.owner;
    attempt->cancellable = std::move (read.cancellable);
    self.send (std::move (attempt));
  }
}

void
GrantKeys::send (std::unique_ptr<Attempt> attempt)
{
  attempt->body.resize (kMaxBytes);
  attempt->message = adopt (soup_message_new ("GET", place_.url.c_str ()));
  // The keys stand at this address or nowhere.
  soup_message_add_flags (attempt->message.get (), SOUP_MESSAGE_NO_REDIRECT);
  soup_session_send_async (session_.get (), attempt->message.get (),
      G_PRIORITY_DEFAULT, cancellable_.get (), on_sent, attempt.get ());
  attempt.release ();
}

void
GrantKeys::on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  std::unique_ptr<Attempt> attempt (static_cast<Attempt *> (data));
  g_autoptr (GError) error = nullptr;
  attempt->stream =
      adopt (soup_session_send_finish (SOUP_SESSION (source), result, &error));
  if (g_cancellable_is_cancelled (attempt->cancellable.get ()))
    return;
  if (!attempt->stream) {
    attempt->owner->finish (*attempt, 0, error);
    return;
  }
  Attempt *raw = attempt.release ();
  g_input_stream_read_all_async (raw->stream.get (), raw->body.data (),
      raw->body.size (), G_PRIORITY_DEFAULT, raw->cancellable.get (), on_read,
      raw);
}

void
GrantKeys::on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  const std::unique_ptr<Attempt> attempt (static_cast<Attempt *> (data));
  g_autoptr (GError) error = nullptr;
  gsize size = 0;
  g_input_stream_read_all_finish (
      G_INPUT_STREAM (source), result, &size, &error);
  if (!g_cancellable_is_cancelled (attempt->cancellable.get ()))
    attempt->owner->finish (*attempt, size, error);
}

void
GrantKeys::finish (
    const Attempt &attempt, std::size_t size, const GError *error)
{
  if (error) {
    take (std::nullopt, error->message);
    return;
  }
  const guint status = soup_message_get_status (attempt.message.get ());
  if (status == 404) {
    take (std::nullopt,
        "there is none (HTTP 404): a server that knows no grants needs "
        "session-policy=trust-server");
    return;
  }
  if (status != 200) {
    take (std::nullopt, "HTTP status " + std::to_string (status));
    return;
  }
  std::string why;
  auto set = JwtKeySet::parse ({attempt.body.data (), size}, &why);
  if (set && set->has_secret ()) {
    // A secret that anyone can fetch proves nothing.
    set.reset ();
    why = "it is a shared secret";
  }
  take (std::move (set), why);
}

// The end of each attempt. An answer is the whole truth: a key that is not in
// it any more is good for nothing.
void
GrantKeys::take (std::optional<JwtKeySet> set, const std::string &why)
{
  deadline_.cancel ();
  cancellable_.reset ();
  const bool first = keys_.empty ();
  const bool news = set && set->key_ids () != keys_.key_ids ();
  if (!first)
    pause_ms_ = news || !pause_ms_ ? kShortestPauseMs
                                   : std::min (pause_ms_ * 2, kLongestPauseMs);
  answered_ = asked_;
  if (set) {
    keys_ = std::move (*set);
    last_failure_.clear ();
  } else {
    if (first) {
      next_ = loop_.after (retry_ms_, [this] () { start (); });
      retry_ms_ = std::min (retry_ms_ * 2, kLongestRetryMs);
    }
    fail (why);
  }
  const Answered done = done_; // may destroy us
  done ();
}

void
GrantKeys::fail (const std::string &why)
{
  const std::string message =
      place_.file.empty () ? "Cannot get the grant key from " +
                                 redacted_uri (place_.url) + ": " + why + "."
                           : why;
  if (message == last_failure_)
    return;
  last_failure_ = message;
  failed_ (message);
}

} // namespace robotlive
