// SPDX-License-Identifier: LGPL-2.1-or-later
#include "access/grantkey.hpp"
#include "bin/errors.hpp"
#include <algorithm>
#include <libsoup/soup.h>

namespace robotlive {

namespace {

constexpr unsigned kDeadlineMs = 10000;
constexpr unsigned kLongestWaitMs = 60000;
constexpr gsize kMaxBytes = 64 * 1024;

bool
is_loopback (const char *host)
{
  if (g_ascii_strcasecmp (host, "localhost") == 0)
    return true;
  g_autoptr (GInetAddress) address = g_inet_address_new_from_string (host);
  return address && g_inet_address_get_is_loopback (address);
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

// Outlives the fetcher when that is destroyed while a request is under way.
struct GrantKeyFetcher::Attempt
{
  GrantKeyFetcher *fetcher; // not to be touched once *cancellable* is cancelled
  GPtr<GCancellable> cancellable;
  GPtr<SoupMessage> message;
  GPtr<GInputStream> stream;
  std::vector<char> body;
};

GrantKeyFetcher::GrantKeyFetcher (EventLoop &loop, std::string url,
    const std::string &tls_ca_file, Done done, Failed failed)
    : loop_ (loop), url_ (std::move (url)), done_ (std::move (done)),
      failed_ (std::move (failed)), session_ (adopt (soup_session_new ()))
{
  if (!tls_ca_file.empty ()) {
    g_autoptr (GError) error = nullptr;
    g_autoptr (GTlsDatabase) database =
        g_tls_file_database_new (tls_ca_file.c_str (), &error);
    if (database)
      soup_session_set_tls_database (session_.get (), database);
  }
  start ();
}

GrantKeyFetcher::~GrantKeyFetcher ()
{
  if (cancellable_)
    g_cancellable_cancel (cancellable_.get ());
}

void
GrantKeyFetcher::start ()
{
  cancellable_ = adopt (g_cancellable_new ());
  auto *attempt = new Attempt{this, share (cancellable_.get ()),
      adopt (soup_message_new ("GET", url_.c_str ())), nullptr,
      std::vector<char> (kMaxBytes)};
  // The key stands at this address or nowhere.
  soup_message_add_flags (attempt->message.get (), SOUP_MESSAGE_NO_REDIRECT);
  deadline_ = loop_.after (kDeadlineMs, [this] () {
    g_cancellable_cancel (cancellable_.get ());
    fail ("it did not answer within 10 s");
  });

  soup_session_send_async (session_.get (), attempt->message.get (),
      G_PRIORITY_DEFAULT, cancellable_.get (), on_sent, attempt);
}

void
GrantKeyFetcher::on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  std::unique_ptr<Attempt> attempt (static_cast<Attempt *> (data));
  g_autoptr (GError) error = nullptr;
  attempt->stream =
      adopt (soup_session_send_finish (SOUP_SESSION (source), result, &error));
  if (g_cancellable_is_cancelled (attempt->cancellable.get ()))
    return;
  if (!attempt->stream) {
    attempt->fetcher->finish (*attempt, 0, error);
    return;
  }
  Attempt *raw = attempt.release ();
  g_input_stream_read_all_async (raw->stream.get (), raw->body.data (),
      raw->body.size (), G_PRIORITY_DEFAULT, raw->cancellable.get (), on_read,
      raw);
}

void
GrantKeyFetcher::on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  const std::unique_ptr<Attempt> attempt (static_cast<Attempt *> (data));
  g_autoptr (GError) error = nullptr;
  gsize size = 0;
  g_input_stream_read_all_finish (
      G_INPUT_STREAM (source), result, &size, &error);
  if (!g_cancellable_is_cancelled (attempt->cancellable.get ()))
    attempt->fetcher->finish (*attempt, size, error);
}

void
GrantKeyFetcher::finish (
    const Attempt &attempt, std::size_t size, const GError *error)
{
  deadline_.cancel ();
  if (error) {
    fail (error->message);
    return;
  }
  const guint status = soup_message_get_status (attempt.message.get ());
  if (status == 404) {
    fail ("there is none (HTTP 404): a server that knows no grants needs "
          "session-policy=trust-server");
    return;
  }
  if (status != 200) {
    fail ("HTTP status " + std::to_string (status));
    return;
  }
  std::string why;
  auto key = JwtKey::parse ({attempt.body.data (), size}, &why);
  if (key && key->algorithm () == KeyAlgorithm::HS256) {
    // A secret that anyone can fetch proves nothing.
    key.reset ();
    why = "it is a shared secret";
  }
  if (!key) {
    fail (why);
    return;
  }
  const Done done = done_; // may destroy us
  done (*key);
}

void
GrantKeyFetcher::fail (const std::string &why)
{
  deadline_.cancel ();
  retry_ = loop_.after (wait_ms_, [this] () { start (); });
  wait_ms_ = std::min (wait_ms_ * 2, kLongestWaitMs);
  if (why == last_failure_)
    return;
  last_failure_ = why;
  failed_ ("Cannot get the grant key from " + redacted_uri (url_) + ": " + why +
           ".");
}

} // namespace robotlive
