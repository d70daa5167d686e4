// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A real HTTP server with a key set, in a thread of its own.
#pragma once
#include "base/eventloop.hpp"
#include <atomic>
#include <libsoup/soup.h>
#include <mutex>
#include <string>
#include <vector>

namespace robotlive::test {

class KeyServer
{
public:
  explicit KeyServer (std::string text) : text_ (std::move (text))
  {
    loop_.run ([this] () {
      server_ = soup_server_new ("server-header", "keys", nullptr);
      soup_server_add_handler (
          server_, "/.well-known/jwks.json", on_request, this, nullptr);
      g_autoptr (GError) error = nullptr;
      soup_server_listen_local (
          server_, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
      g_assert_no_error (error);
      GSList *uris = soup_server_get_uris (server_);
      port_ = g_uri_get_port (static_cast<GUri *> (uris->data));
      g_slist_free_full (uris, reinterpret_cast<GDestroyNotify> (g_uri_unref));
    });
  }
  ~KeyServer ()
  {
    hold (false);
    loop_.run ([this] () {
      soup_server_disconnect (server_);
      g_object_unref (server_);
    });
  }
  std::string url () const
  {
    return "http://127.0.0.1:" + std::to_string (port_);
  }
  void serve (std::string text, unsigned status = 200)
  {
    loop_.run ([&] () {
      text_ = std::move (text);
      status_ = status;
    });
  }
  // Answers nobody until it is taken back.
  void hold (bool on)
  {
    loop_.run ([&] () {
      held_ = on;
      if (on)
        return;
      for (SoupServerMessage *message : waiting_) {
        answer (message);
        soup_server_message_unpause (message);
        g_object_unref (message);
      }
      waiting_.clear ();
    });
  }
  unsigned requests () const { return requests_; }

private:
  static void on_request (SoupServer *, SoupServerMessage *message,
      const char *, GHashTable *, gpointer data)
  {
    auto *self = static_cast<KeyServer *> (data);
    self->requests_++;
    if (!self->held_)
      return self->answer (message);
    soup_server_message_pause (message);
    self->waiting_.push_back (
        static_cast<SoupServerMessage *> (g_object_ref (message)));
  }
  void answer (SoupServerMessage *message)
  {
    soup_server_message_set_status (message, status_, nullptr);
    soup_server_message_set_response (message, "application/json",
        SOUP_MEMORY_COPY, text_.data (), text_.size ());
  }

  EventLoop loop_{"keyserver"};
  SoupServer *server_ = nullptr;
  std::string text_; // this and the next: of the loop
  unsigned status_ = 200;
  bool held_ = false;
  std::vector<SoupServerMessage *> waiting_;
  int port_ = 0;
  std::atomic<unsigned> requests_{0};
};

} // namespace robotlive::test
