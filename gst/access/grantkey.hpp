// SPDX-License-Identifier: LGPL-2.1-or-later
//
// GrantKeys: the keys that grants are checked with. From the file that
// grant-key names, else from the server's /.well-known/jwks.json over verified
// TLS or from this machine. They have a life: when a grant comes that none of
// them signed, the set is asked for again. Signaling thread only; never
// blocks.
#pragma once
#include "base/eventloop.hpp"
#include "base/glibptr.hpp"
#include "grant/keyset.hpp"
#include <functional>
#include <gio/gio.h>
#include <memory>
#include <optional>
#include <string>

typedef struct _SoupSession SoupSession;

namespace robotlive {

// Where the keys of *signaling_server* are; empty and a sentence in *error*
// when the URI is none, or would have the keys come unprotected over a network.
std::string grant_key_url (
    const std::string &signaling_server, std::string *error);

class GrantKeys
{
public:
  struct Place
  {
    std::string file; // else:
    std::string url, tls_ca_file;
    bool operator== (const Place &other) const
    {
      return file == other.file && url == other.url;
    }
  };
  // There is an answer: keys () may be others, answered () has grown.
  using Answered = std::function<void ()>;
  // A sentence; called once for each new cause, while it goes on trying.
  using Failed = std::function<void (const std::string &message)>;

  // *known*: what the place held when it was asked last; empty: it is asked at
  // once, and again until it answers.
  GrantKeys (EventLoop &loop, Place place, JwtKeySet known, Answered answered,
      Failed failed);
  ~GrantKeys ();
  GrantKeys (const GrantKeys &) = delete;
  GrantKeys &operator= (const GrantKeys &) = delete;

  const JwtKeySet &keys () const { return keys_; }
  const Place &place () const { return place_; }
  const std::string &last_failure () const { return last_failure_; }

  // A grant came that none of the keys signed: asks for them again, at most
  // once in 10 s, and less and less often, down to 5 min, while that brings no
  // others. Who asks meanwhile shares the answer. Returns the value that
  // answered () has by then; 0: that is too far away to wait for.
  unsigned ask_again ();
  unsigned answered () const { return answered_; }

private:
  struct Attempt;
  void start ();
  void send (std::unique_ptr<Attempt> attempt);
  std::string no_answer () const;
  static void on_sent (GObject *source, GAsyncResult *result, gpointer data);
  static void on_read (GObject *source, GAsyncResult *result, gpointer data);
  static void on_loaded (GObject *source, GAsyncResult *result, gpointer data);
  void finish (const Attempt &attempt, std::size_t size, const GError *error);
  void take (std::optional<JwtKeySet> set, const std::string &why);
  void fail (const std::string &message);

  EventLoop &loop_;
  const Place place_;
  const Answered done_;
  const Failed failed_;
  GPtr<SoupSession> session_;
  GPtr<GCancellable> cancellable_; // of the attempt under way
  std::weak_ptr<int> reads_;       // a thread that reads a file
  Timer deadline_, next_;
  JwtKeySet keys_;
  unsigned retry_ms_ = 1000;  // while there are none
  std::int64_t pause_ms_ = 0; // between two that are asked for
  std::int64_t asked_at_ = 0; // ms of the monotonic clock
  unsigned asked_ = 0, answered_ = 0;
  std::string last_failure_;
};

} // namespace robotlive
