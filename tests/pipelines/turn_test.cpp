// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What robotlive-doctor says of a TURN server: asks a real coturn, where there
// is one, on loopback.
#include "doctor.hpp"
#include <ctime>
#include <fstream>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gtest/gtest.h>

using namespace robotlive::robot;

namespace {

unsigned
free_port ()
{
  GSocketListener *listener = g_socket_listener_new ();
  const unsigned port =
      g_socket_listener_add_any_inet_port (listener, nullptr, nullptr);
  g_object_unref (listener);
  return port;
}

bool
listens (unsigned port)
{
  GSocketClient *client = g_socket_client_new ();
  GSocketConnection *connection = g_socket_client_connect_to_host (
      client, "127.0.0.1", guint16 (port), nullptr, nullptr);
  const bool there = connection != nullptr;
  g_clear_object (&connection);
  g_object_unref (client);
  return there;
}

class Turn : public testing::Test
{
protected:
  void SetUp () override
  {
    gchar *program = g_find_program_in_path ("turnserver");
    gchar *openssl = g_find_program_in_path ("openssl");
    const bool there = program && openssl;
    g_free (program);
    g_free (openssl);
    if (!there)
      GTEST_SKIP () << "no coturn or no openssl on this machine";
    gchar *made = g_dir_make_tmp ("robotlive-turn-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
    port_ = free_port ();
    tls_port_ = free_port ();
    make_certificate ();
    start ();
  }

  void TearDown () override
  {
    if (coturn_) {
      g_subprocess_force_exit (coturn_);
      g_subprocess_wait (coturn_, nullptr, nullptr);
      g_object_unref (coturn_);
    }
    if (folder_.empty ())
      return;
    GDir *dir = g_dir_open (folder_.c_str (), 0, nullptr);
    while (const gchar *name = g_dir_read_name (dir))
      g_unlink ((folder_ + "/" + name).c_str ());
    g_dir_close (dir);
    g_rmdir (folder_.c_str ());
  }

  // The password that a server with this secret gives.
  static IceServer server (const std::string &uri, const std::string &secret)
  {
    IceServer server = {uri, std::to_string (time (nullptr) + 600) + ":r1", ""};
    guint8 digest[20];
    gsize size = sizeof digest;
    GHmac *hmac = g_hmac_new (G_CHECKSUM_SHA1,
        reinterpret_cast<const guchar *> (secret.data ()), secret.size ());
    g_hmac_update (hmac,
        reinterpret_cast<const guchar *> (server.username.data ()),
        gssize (server.username.size ()));
    g_hmac_get_digest (hmac, digest, &size);
    g_hmac_unref (hmac);
    gchar *text = g_base64_encode (digest, size);
    server.credential = text;
    g_free (text);
    return server;
  }

  std::string uri (const char *scheme, unsigned port, const char *rest = "")
  {
    return std::string (scheme) + ":localhost:" + std::to_string (port) + rest;
  }

  std::string folder_;
  unsigned port_ = 0, tls_port_ = 0;

private:
  void make_certificate ()
  {
    const std::string key = folder_ + "/key.pem";
    const std::string certificate = folder_ + "/certificate.pem";
    const gchar *argv[] = {"openssl", "req", "-x509", "-newkey", "rsa:2048",
        "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
        "subjectAltName=DNS:localhost", "-keyout", key.c_str (), "-out",
        certificate.c_str (), nullptr};
    ASSERT_TRUE (g_spawn_sync (nullptr, const_cast<gchar **> (argv), nullptr,
        GSpawnFlags (G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL), nullptr,
        nullptr, nullptr, nullptr, nullptr, nullptr));
  }

  void start ()
  {
    const std::string conf = folder_ + "/turnserver.conf";
    std::ofstream (conf)
        << "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port="
        << port_ << "\ntls-listening-port=" << tls_port_ << "\ncert=" << folder_
        << "/certificate.pem\npkey=" << folder_
        << "/key.pem\nrealm=robots.example\nuse-auth-secret\n"
           "static-auth-secret=right\nuser-quota=1\nno-cli\nfingerprint\n"
           "log-file=stdout\nsimple-log\npidfile="
        << folder_ << "/pid\nuserdb=" << folder_ << "/turndb\n";
    g_chmod (conf.c_str (), 0600);
    GError *error = nullptr;
    coturn_ =
        g_subprocess_new (GSubprocessFlags (G_SUBPROCESS_FLAGS_STDOUT_SILENCE |
                                            G_SUBPROCESS_FLAGS_STDERR_SILENCE),
            &error, "turnserver", "-c", conf.c_str (), nullptr);
    ASSERT_NE (coturn_, nullptr) << error->message;
    for (int i = 0; i < 600 && !(listens (port_) && listens (tls_port_)); i++)
      g_usleep (100000);
    ASSERT_TRUE (listens (port_) && listens (tls_port_)) << "no coturn";
    // It opens its UDP ports later.
    const IceServer udp = {uri ("stun", port_), "", ""};
    Check check = check_ice_server (udp, "", 20);
    for (int i = 0; i < 300 && check.health != Health::Ok; i++) {
      g_usleep (200000);
      check = check_ice_server (udp, "", 20);
    }
    ASSERT_EQ (check.health, Health::Ok) << check.text;
  }

  GSubprocess *coturn_ = nullptr;
};

// Each way, twice: coturn here grants one relay a user, so that one which is
// not given back is in the way for ten minutes. It takes a moment itself.
TEST_F (Turn, RelaysOverEachTransportAndIsGivenBack)
{
  const std::string authority = folder_ + "/certificate.pem";
  for (const std::string &one : {uri ("turn", port_),
           uri ("turn", port_, "?transport=tcp"), uri ("turns", tls_port_)})
    for (int round = 0; round < 2; round++) {
      SCOPED_TRACE (one);
      Check check = {"", Health::Skipped, "not asked"};
      for (int i = 0; i < 60 && check.health != Health::Ok; i++) {
        if (i > 0)
          g_usleep (500000);
        check = check_ice_server (server (one, "right"), authority, 20);
      }
      EXPECT_EQ (check.health, Health::Ok) << check.text;
      EXPECT_NE (check.text.find ("relays from 127.0.0.1:"), std::string::npos)
          << check.text;
    }
  EXPECT_EQ (check_ice_server ({uri ("stun", port_), "", ""}, "", 20).health,
      Health::Ok);
}

TEST_F (Turn, TellsWrongPasswordsAndCertificates)
{
  for (const char *rest : {"", "?transport=tcp"}) {
    const Check check =
        check_ice_server (server (uri ("turn", port_, rest), "wrong"), "", 20);
    EXPECT_EQ (check.health, Health::Failed);
    EXPECT_NE (
        check.text.find ("does not take the password"), std::string::npos)
        << check.text;
    EXPECT_NE (check.remedy.find ("static-auth-secret"), std::string::npos);
    EXPECT_EQ ((check.text + check.remedy).find ("wrong"), std::string::npos);
  }
  // An authority that nobody knows.
  const Check check =
      check_ice_server (server (uri ("turns", tls_port_), "right"), "", 20);
  EXPECT_EQ (check.health, Health::Failed);
  EXPECT_NE (check.remedy.find ("certificate"), std::string::npos)
      << check.text;
  // Without a password there is nothing but an answer.
  EXPECT_EQ (check_ice_server ({uri ("turn", port_), "", ""}, "", 20).health,
      Health::Warning);
}

// What the next connection is answered, and cut off after.
gboolean
answer (GThreadedSocketService *, GSocketConnection *connection, GObject *,
    gpointer text)
{
  char request[64];
  g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)),
      request, sizeof request, nullptr, nullptr);
  const auto &bytes = *static_cast<const std::string *> (text);
  g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (connection)), bytes.data (),
      bytes.size (), nullptr, nullptr, nullptr);
  return TRUE;
}

// No coturn at all: lengths that lie, a stranger's transaction, HTTP, nothing.
TEST (IceServer, GarbageIsNoAnswer)
{
  const std::string id (12, 'x'), cookie = "\x21\x12\xa4\x42";
  std::string text;
  GSocketService *service = g_threaded_socket_service_new (4);
  const unsigned port = g_socket_listener_add_any_inet_port (
      G_SOCKET_LISTENER (service), nullptr, nullptr);
  g_signal_connect (service, "run", G_CALLBACK (answer), &text);
  const std::string uri =
      "turn:127.0.0.1:" + std::to_string (port) + "?transport=tcp";
  for (const std::string &one :
      {std::string ("\x01\x01\xff\xf4", 4) + cookie + id,
          std::string ("\x01\x01\x00\x40", 4) + cookie + id,
          std::string ("\x01\x01\x00\x00", 4) + cookie + id,
          std::string ("HTTP/1.1 400 Bad Request\r\n\r\n"), std::string ()}) {
    text = one;
    // A main loop accepts; the check blocks, so it has a thread of its own.
    struct Job
    {
      IceServer server;
      GMainLoop *loop;
      Check check = {"", Health::Skipped, ""};
    } job = {{uri, "user", "secret"}, g_main_loop_new (nullptr, FALSE)};
    GThread *thread = g_thread_new (
        "check",
        [] (gpointer data) -> gpointer {
          auto *of = static_cast<Job *> (data);
          of->check = check_ice_server (of->server, "", 20);
          g_idle_add (
              [] (gpointer loop) -> gboolean {
                g_main_loop_quit (static_cast<GMainLoop *> (loop));
                return G_SOURCE_REMOVE;
              },
              of->loop);
          return nullptr;
        },
        &job);
    g_main_loop_run (job.loop);
    g_thread_join (thread);
    g_main_loop_unref (job.loop);
    EXPECT_EQ (job.check.health, Health::Failed) << one;
    EXPECT_NE (job.check.text.find ("another's answer"), std::string::npos)
        << job.check.text;
  }
  g_socket_service_stop (service);
  g_socket_listener_close (G_SOCKET_LISTENER (service));
  g_object_unref (service);
}

} // namespace
