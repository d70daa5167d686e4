// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GrantKeyFetcher: gets the server's grant key from /.well-known/jwks.json,
// once, over verified TLS or from this machine. Signalling thread only.
#pragma once
#include "base/eventloop.hpp"
#include "base/glibptr.hpp"
#include "grant/jwt.hpp"
#include <functional>
#include <gio/gio.h>
#include <optional>
#include <string>

typedef struct _SoupSession SoupSession;

namespace robotlive {

// Where the key of *signaling_server* is; empty and a sentence in *error* when
// the URI is none, or would have the key come unprotected over a network.
std::string grant_key_url (
    const std::string &signaling_server, std::string *error);

class GrantKeyFetcher
{
public:
  using Done = std::function<void (JwtKey key)>;
  // A sentence; called once for each new cause, while it goes on trying.
  using Failed = std::function<void (const std::string &message)>;

  GrantKeyFetcher (EventLoop &loop, std::string url,
      const std::string &tls_ca_file, Done done, Failed failed);
  ~GrantKeyFetcher ();
  GrantKeyFetcher (const GrantKeyFetcher &) = delete;
  GrantKeyFetcher &operator= (const GrantKeyFetcher &) = delete;

private:
  struct Attempt;
  void start ();
  static void on_sent (GObject *source, GAsyncResult *result, gpointer data);
  static void on_read (GObject *source, GAsyncResult *result, gpointer data);
  void finish (const Attempt &attempt, std::size_t size, const GError *error);
  void fail (const std::string &message);

  EventLoop &loop_;
  const std::string url_;
  const Done done_;
  const Failed failed_;
  GPtr<SoupSession> session_;
  GPtr<GCancellable> cancellable_;
  Timer deadline_, retry_;
  unsigned wait_ms_ = 1000;
  std::string last_failure_;
};

} // namespace robotlive
