// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/console/consoleclient.hpp"
#include "base/tlsfile.hpp"
#include "server/app/config.hpp"
#include <libsoup/soup.h>
#include <set>
#include <thread>

namespace robotlive::server {

namespace {

constexpr gsize kChunk = 16 * 1024;
constexpr std::size_t kMaxBody = 1024 * 1024;

struct Unref
{
  void operator() (gpointer object) const { g_object_unref (object); }
};
template <typename T> using Object = std::unique_ptr<T, Unref>;
using Context = std::unique_ptr<GMainContext, decltype (&g_main_context_unref)>;
using Loop = std::unique_ptr<GMainLoop, decltype (&g_main_loop_unref)>;

} // namespace

struct ConsoleClient::Impl
{
  struct Request
  {
    Impl *impl;
    Answer answer;
    Object<GCancellable> cancellable;
    Object<SoupMessage> message;
    Object<GInputStream> stream;
    GSource *deadline = nullptr;
    bool late = false;
  };

  std::string url;
  TimeMs timeout_ms;
  Done done;
  Context context{g_main_context_new (), g_main_context_unref};
  Loop loop{g_main_loop_new (context.get (), FALSE), g_main_loop_unref};
  Object<SoupSession> session; // made, used and unmade on the thread
  Object<GTlsDatabase> trust;
  std::set<Request *> running; // the thread's
  bool ending = false;         // the thread's
  std::thread thread;

  void run (std::size_t max_connections);
  void invoke (std::function<void ()> task);
  void start (const std::string &token);
  void read (Request *request);
  void finish (Request *request, const std::string &error);
  void end_if_idle ();
  static void on_sent (GObject *source, GAsyncResult *result, gpointer data);
  static void on_read (GObject *source, GAsyncResult *result, gpointer data);
  static gboolean on_deadline (gpointer data);
};

void
ConsoleClient::Impl::run (std::size_t max_connections)
{
  g_main_context_push_thread_default (context.get ());
  session.reset (soup_session_new_with_options ("max-conns",
      static_cast<int> (max_connections), "max-conns-per-host",
      static_cast<int> (max_connections), "user-agent", "robotlive-signaling",
      nullptr));
  // A 401 is an answer, not a question for another password.
  soup_session_remove_feature_by_type (session.get (), SOUP_TYPE_AUTH_MANAGER);
  if (trust)
    soup_session_set_tls_database (session.get (), trust.get ());
  g_main_loop_run (loop.get ());
  soup_session_abort (session.get ());
  session.reset ();
  // What closing the connections has left to do.
  while (g_main_context_iteration (context.get (), FALSE)) {
  }
  g_main_context_pop_thread_default (context.get ());
}

void
ConsoleClient::Impl::invoke (std::function<void ()> task)
{
  GSource *source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (
      source,
      [] (gpointer data) -> gboolean {
        (*static_cast<std::function<void ()> *> (data)) ();
        return G_SOURCE_REMOVE;
      },
      new std::function<void ()> (std::move (task)),
      [] (gpointer data) {
        delete static_cast<std::function<void ()> *> (data);
      });
  g_source_attach (source, context.get ());
  g_source_unref (source);
}

void
ConsoleClient::Impl::start (const std::string &token)
{
  auto *request = new Request{this, {},
      Object<GCancellable> (g_cancellable_new ()),
      Object<SoupMessage> (soup_message_new ("GET", url.c_str ())), nullptr};
  request->answer.token = token;
  running.insert (request);
  SoupMessage *message = request->message.get ();
  // A token goes to the console and nowhere else.
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  soup_message_headers_append (
      headers, "Authorization", ("Bearer " + token).c_str ());
  soup_message_headers_append (headers, "Accept", "application/json");
  // libsoup's own timeout is between two bytes; this one is for all of it.
  request->deadline = g_timeout_source_new (static_cast<guint> (timeout_ms));
  g_source_set_callback (request->deadline, on_deadline, request, nullptr);
  g_source_attach (request->deadline, context.get ());
  soup_session_send_async (session.get (), message, G_PRIORITY_DEFAULT,
      request->cancellable.get (), on_sent, request);
}

gboolean
ConsoleClient::Impl::on_deadline (gpointer data)
{
  auto *request = static_cast<Request *> (data);
  request->late = true;
  g_cancellable_cancel (request->cancellable.get ());
  return G_SOURCE_REMOVE;
}

void
ConsoleClient::Impl::on_sent (
    GObject *source, GAsyncResult *result, gpointer data)
{
  auto *request = static_cast<Request *> (data);
  g_autoptr (GError) error = nullptr;
  request->stream.reset (
      soup_session_send_finish (SOUP_SESSION (source), result, &error));
  if (error)
    return request->impl->finish (request, error->message);
  request->answer.status = soup_message_get_status (request->message.get ());
  request->impl->read (request);
}

void
ConsoleClient::Impl::read (Request *request)
{
  g_input_stream_read_bytes_async (request->stream.get (), kChunk,
      G_PRIORITY_DEFAULT, request->cancellable.get (), on_read, request);
}

void
ConsoleClient::Impl::on_read (
    GObject *source, GAsyncResult *result, gpointer data)
{
  auto *request = static_cast<Request *> (data);
  g_autoptr (GError) error = nullptr;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (
      G_INPUT_STREAM (source), result, &error);
  if (error)
    return request->impl->finish (request, error->message);
  gsize size = 0;
  auto *chunk = static_cast<const char *> (g_bytes_get_data (bytes, &size));
  if (size == 0)
    return request->impl->finish (request, "");
  request->answer.body.append (chunk, size);
  if (request->answer.body.size () > kMaxBody)
    return request->impl->finish (request, "the answer is too large");
  request->impl->read (request);
}

void
ConsoleClient::Impl::finish (Request *request, const std::string &error)
{
  std::unique_ptr<Request> owned (request);
  running.erase (request);
  g_source_destroy (request->deadline);
  g_source_unref (request->deadline);
  request->answer.error = request->late ? "no answer in time" : error.c_str ();
  done (std::move (request->answer));
  end_if_idle ();
}

void
ConsoleClient::Impl::end_if_idle ()
{
  if (ending && running.empty ())
    g_main_loop_quit (loop.get ());
}

ConsoleClient::ConsoleClient (const std::string &url,
    const std::string &ca_file, TimeMs timeout_ms, std::size_t max_connections,
    Done done)
    : impl_ (std::make_unique<Impl> ())
{
  impl_->url = url;
  impl_->timeout_ms = timeout_ms;
  impl_->done = std::move (done);
  if (!ca_file.empty ()) {
    g_autoptr (GError) error = nullptr;
    impl_->trust.reset (ca_database_new (ca_file.c_str (), &error));
    if (error)
      throw ConfigError (std::string ("[console] ca-file: ") + error->message);
  }
  impl_->thread = std::thread (
      [impl = impl_.get (), max_connections] { impl->run (max_connections); });
}

ConsoleClient::~ConsoleClient ()
{
  impl_->invoke ([impl = impl_.get ()] {
    impl->ending = true;
    std::set<Impl::Request *> running = impl->running;
    for (Impl::Request *request : running)
      g_cancellable_cancel (request->cancellable.get ());
    impl->end_if_idle ();
  });
  impl_->thread.join ();
}

void
ConsoleClient::get (const std::string &token)
{
  impl_->invoke ([impl = impl_.get (), token] { impl->start (token); });
}

} // namespace robotlive::server
