// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What robotlive-doctor says of tokens, servers and STUN servers.
#include "doctor.hpp"
#include <cstring>
#include <fstream>
#include <future>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <gtest/gtest.h>
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <map>
#include <thread>

using namespace robotlive::robot;

namespace {

// A signalling server's HTTP side on a thread of its own.
class FakeServer
{
public:
  unsigned status = 200;
  std::string health =
      "{\"status\":\"healthy\",\"service\":\"webrtc-signaling\"}";
  std::string config = "{\"iceServers\":[]}";
  std::string authorization; // as it came with the last /config

  void start ()
  {
    std::promise<unsigned> port;
    thread_ = std::thread ([&] {
      context_ = g_main_context_new ();
      g_main_context_push_thread_default (context_);
      loop_ = g_main_loop_new (context_, FALSE);
      SoupServer *server = soup_server_new (nullptr, nullptr);
      soup_server_add_handler (server, nullptr, answer, this, nullptr);
      soup_server_listen_local (
          server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, nullptr);
      GSList *uris = soup_server_get_uris (server);
      port.set_value (
          unsigned (g_uri_get_port (static_cast<GUri *> (uris->data))));
      g_slist_free_full (uris, reinterpret_cast<GDestroyNotify> (g_uri_unref));
      g_main_loop_run (loop_);
      soup_server_disconnect (server);
      g_object_unref (server);
      g_main_context_pop_thread_default (context_);
    });
    port_ = port.get_future ().get ();
  }

  std::string url () const
  {
    return "ws://127.0.0.1:" + std::to_string (port_);
  }

  ~FakeServer ()
  {
    if (!thread_.joinable ())
      return;
    g_main_loop_quit (loop_);
    thread_.join ();
    g_main_loop_unref (loop_);
    g_main_context_unref (context_);
  }

private:
  static void answer (SoupServer *, SoupServerMessage *message,
      const char *path, GHashTable *, gpointer data)
  {
    auto *self = static_cast<FakeServer *> (data);
    bool config = strcmp (path, "/config") == 0;
    const std::string &body = config ? self->config : self->health;
    if (config) {
      const char *sent = soup_message_headers_get_one (
          soup_server_message_get_request_headers (message), "Authorization");
      self->authorization = sent ? sent : "";
    }
    soup_server_message_set_status (message, self->status, nullptr);
    soup_server_message_set_response (message, "application/json",
        SOUP_MEMORY_COPY, body.data (), body.size ());
  }

  std::thread thread_;
  GMainContext *context_ = nullptr;
  GMainLoop *loop_ = nullptr;
  unsigned port_ = 0;
};

class Doctor : public testing::Test
{
protected:
  void SetUp () override
  {
    gchar *made = g_dir_make_tmp ("robotlive-doctor-XXXXXX", nullptr);
    ASSERT_NE (made, nullptr);
    folder_ = made;
    g_free (made);
    conf_.set ("robot.id", "r1");
    conf_.set ("signaling.token-file", folder_ + "/token");
  }

  void TearDown () override
  {
    g_unlink ((folder_ + "/token").c_str ());
    g_rmdir (folder_.c_str ());
  }

  // Writes a token with these claims, unsigned.
  void token (const std::string &claims, int mode = 0640)
  {
    std::string path = folder_ + "/token";
    gchar *part = g_base64_encode (
        reinterpret_cast<const guchar *> (claims.data ()), claims.size ());
    std::string text = part;
    g_free (part);
    text.erase (text.find_last_not_of ('=') + 1);
    std::ofstream (path) << "eyJhbGciOiJIUzI1NiJ9." << text << ".c2ln\n";
    g_chmod (path.c_str (), mode);
  }

  Check token_check () { return check_token (conf_, 1800000000); }

  std::string folder_;
  RobotConf conf_;
};

TEST_F (Doctor, JudgesTokens)
{
  EXPECT_EQ (token_check ().health, Health::Failed) << "no file";
  token (R"({"sub":"r1","role":"robot","exp":1900000000})");
  EXPECT_EQ (token_check ().health, Health::Ok) << token_check ().text;
  token (R"({"sub":"r1","role":"robot","exp":1900000000})", 0644);
  EXPECT_EQ (token_check ().health, Health::Warning);
  token (R"({"sub":"r1","role":"robot","exp":1800000100})");
  EXPECT_EQ (token_check ().health, Health::Warning) << "soon over";
  token (R"({"sub":"r1","role":"robot","exp":1700000000})");
  EXPECT_NE (token_check ().text.find ("expired"), std::string::npos);
  token (R"({"sub":"r2","role":"robot","exp":1900000000})");
  EXPECT_NE (token_check ().text.find ("'r2'"), std::string::npos);
  token (R"({"sub":"r1","role":"viewer","exp":1900000000})");
  EXPECT_NE (token_check ().text.find ("'viewer'"), std::string::npos);
}

TEST_F (Doctor, SurvivesWhatIsNoToken)
{
  for (const char *text : {"", "x", "a.b", "a.b.c", "...", "a.W10.c",
           "a.eyJzdWIiOnt9fQ.c", "\xff\xff.\xff.\xff"}) {
    std::ofstream (folder_ + "/token") << text;
    EXPECT_EQ (token_check ().health, Health::Failed) << text;
  }
}

TEST_F (Doctor, HealthyServerAndItsToken)
{
  FakeServer server;
  server.start ();
  token (R"({"sub":"r1","role":"robot"})");
  conf_.set ("signaling.server", server.url ());
  Checks checks = check_server (conf_);
  ASSERT_EQ (checks.size (), 2u);
  EXPECT_EQ (checks[0].health, Health::Ok) << checks[0].text;
  EXPECT_EQ (checks[1].health, Health::Skipped) << checks[1].text;
  EXPECT_EQ (server.authorization.find ("Bearer eyJ"), 0u)
      << "over loopback the token is sent";
}

TEST_F (Doctor, TellsServersApart)
{
  FakeServer server;
  server.start ();
  conf_.set ("signaling.server", server.url ());
  server.status = 503;
  EXPECT_EQ (check_server (conf_)[0].health, Health::Warning);
  server.status = 404;
  EXPECT_EQ (check_server (conf_)[0].health, Health::Failed);
  server.status = 200;
  server.health = "<html>It works!</html>";
  EXPECT_EQ (check_server (conf_)[0].health, Health::Failed);
  conf_.set ("signaling.server", "ws://127.0.0.1:1");
  Check refused = check_server (conf_)[0];
  EXPECT_EQ (refused.health, Health::Failed);
  EXPECT_NE (refused.remedy.find ("firewall"), std::string::npos);
  conf_.set ("signaling.server", "wss://" + server.url ().substr (5));
  EXPECT_EQ (check_server (conf_)[0].health, Health::Failed)
      << "TLS against plain HTTP";
  conf_.set ("signaling.tls-ca-file", "/nonexistent.pem");
  EXPECT_NE (
      check_server (conf_)[0].remedy.find ("tls-ca-file"), std::string::npos);
}

TEST_F (Doctor, ParsesIceUris)
{
  IceUri uri = parse_ice_uri ("turn:t.example.org:3479?transport=tcp");
  EXPECT_EQ (uri.host, "t.example.org");
  EXPECT_EQ (uri.port, 3479u);
  EXPECT_TRUE (uri.tcp);
  uri = parse_ice_uri ("turns:[2001:db8::1]");
  EXPECT_EQ (uri.host, "2001:db8::1");
  EXPECT_EQ (uri.port, 5349u);
  EXPECT_TRUE (uri.tcp);
  uri = parse_ice_uri ("stun://s.example.org");
  EXPECT_EQ (uri.host, "s.example.org");
  EXPECT_EQ (uri.port, 3478u);
  EXPECT_FALSE (uri.tcp);
  for (const char *wrong : {"", "http://x", "stun", "stun:", "stun:h:99999"})
    EXPECT_EQ (check_ice_server ({wrong, "", ""}, "", 1).health, Health::Failed)
        << wrong;
}

TEST_F (Doctor, AsksStunServersThatTheServerNames)
{
  GSocket *socket = g_socket_new (G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_DATAGRAM,
      G_SOCKET_PROTOCOL_UDP, nullptr);
  GInetAddress *loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  GSocketAddress *address = g_inet_socket_address_new (loopback, 0);
  ASSERT_TRUE (g_socket_bind (socket, address, TRUE, nullptr));
  g_object_unref (address);
  g_object_unref (loopback);
  address = g_socket_get_local_address (socket, nullptr);
  std::string port = std::to_string (
      g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (address)));
  g_object_unref (address);

  FakeServer server;
  server.config = "{\"iceServers\":[{\"urls\":[\"stun:127.0.0.1:" + port +
                  "\"]},{\"urls\":\"stun:127.0.0.1:1\"}]}";
  server.start ();
  conf_.set ("signaling.server", server.url ());
  // Answers one binding request with a binding success response.
  std::thread responder ([socket] {
    gchar packet[1500];
    GSocketAddress *from = nullptr;
    g_socket_set_timeout (socket, 60);
    gssize size = g_socket_receive_from (
        socket, &from, packet, sizeof packet, nullptr, nullptr);
    if (size == 20 && packet[0] == 0 && packet[1] == 1) {
      packet[0] = 0x01;
      packet[1] = 0x01;
      g_socket_send_to (socket, from, packet, 20, nullptr, nullptr);
    }
    g_clear_object (&from);
  });
  Checks checks = check_server (conf_);
  responder.join ();
  g_object_unref (socket);
  ASSERT_EQ (checks.size (), 3u);
  EXPECT_EQ (checks[1].health, Health::Ok) << checks[1].text;
  EXPECT_EQ (checks[2].health, Health::Failed) << checks[2].text;
  EXPECT_NE (checks[2].remedy.find ("coturn"), std::string::npos);
}

TEST_F (Doctor, TriesAnIpCameraAndLooksAfterItsPassword)
{
  ProbeOptions options;
  options.folder = PIPELINES_DIR;
  conf_.set ("camera.source", "rtsp");
  conf_.set ("camera.location", "rtsp://127.0.0.1:1/cam");
  Check check = check_camera (conf_, options);
  EXPECT_EQ (check.health, Health::Failed) << check.text;
  EXPECT_NE (check.remedy.find ("rtsp://127.0.0.1:1/cam"), std::string::npos);

  conf_.set ("camera.credentials-file", folder_ + "/token");
  std::ofstream (folder_ + "/token") << "me:hunter2\n";
  g_chmod ((folder_ + "/token").c_str (), 0644);
  check = check_camera (conf_, options);
  EXPECT_EQ (check.health, Health::Warning) << check.text;
  EXPECT_EQ ((check.text + check.remedy).find ("hunter2"), std::string::npos);
  g_chmod ((folder_ + "/token").c_str (), 0600);
  EXPECT_EQ (check_camera (conf_, options).health, Health::Failed);
}

// The program itself: a line for each check, all of them in the JSON, and an
// exit status that a script can use.
TEST_F (Doctor, ProgramPrintsEveryCheck)
{
  std::string conf = folder_ + "/robot.conf";
  std::ofstream (conf) << "[robot]\nid = r1\n[signaling]\n"
                          "server = ws://127.0.0.1:1\ntoken-file = "
                       << folder_
                       << "/token\n[camera]\nsource = test-pattern\n";
  auto run = [&] (const char *format, int *status) {
    const gchar *argv[] = {DOCTOR, "--config", conf.c_str (), "--pipelines",
        PIPELINES_DIR, format, nullptr};
    gchar *out = nullptr;
    GError *error = nullptr;
    int wait_status = -1;
    EXPECT_TRUE (g_spawn_sync (nullptr, const_cast<gchar **> (argv), nullptr,
        G_SPAWN_STDERR_TO_DEV_NULL, nullptr, nullptr, &out, nullptr,
        &wait_status, &error))
        << (error ? error->message : "");
    g_clear_error (&error);
    *status = WIFEXITED (wait_status) ? WEXITSTATUS (wait_status) : -1;
    std::string text = out ? out : "";
    g_free (out);
    return text;
  };
  int status = -1;
  JsonNode *root = json_from_string (run ("--json", &status).c_str (), nullptr);
  EXPECT_EQ (status, 1) << "neither token nor server";
  ASSERT_NE (root, nullptr);
  JsonObject *object = json_node_get_object (root);
  EXPECT_FALSE (json_object_get_boolean_member (object, "ok"));
  JsonArray *list = json_object_get_array_member (object, "checks");
  std::map<std::string, std::string> seen;
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonObject *check = json_array_get_object_element (list, i);
    const char *one = json_object_get_string_member (check, "status");
    EXPECT_STRNE (json_object_get_string_member (check, "text"), "");
    if (strcmp (one, "failed") == 0) {
      EXPECT_STRNE (json_object_get_string_member (check, "remedy"), "");
    }
    seen[json_object_get_string_member (check, "check")] = one;
  }
  json_node_unref (root);
  for (const char *name : {"config", "plugin", "camera", "encoder", "clock",
           "network", "token", "server", "turn"})
    EXPECT_EQ (seen.count (name), 1u) << name;
  EXPECT_EQ (seen["config"], "ok");
  EXPECT_EQ (seen["plugin"], "ok");
  EXPECT_EQ (seen["encoder"], "ok");
  EXPECT_EQ (seen["token"], "failed");
  EXPECT_EQ (seen["server"], "failed");

  // With both, all is well but perhaps the network of the machine.
  FakeServer server;
  server.start ();
  token (R"({"sub":"r1","role":"robot","exp":4000000000})");
  std::ofstream (conf) << "[robot]\nid = r1\n[signaling]\nserver = "
                       << server.url () << "\ntoken-file = " << folder_
                       << "/token\n[camera]\nsource = test-pattern\n";
  const bool online = check_network ().health != Health::Failed;
  root = json_from_string (run ("--json", &status).c_str (), nullptr);
  EXPECT_EQ (status, online ? 0 : 1);
  ASSERT_NE (root, nullptr);
  object = json_node_get_object (root);
  EXPECT_EQ (json_object_get_boolean_member (object, "ok"), online);
  json_node_unref (root);

  run ("--config", &status); // its value is missing
  EXPECT_EQ (status, 64);
  g_unlink (conf.c_str ());
}

TEST_F (Doctor, NetworkAndClockSaySomething)
{
  EXPECT_FALSE (check_network ().text.empty ());
  EXPECT_NE (check_clock ().health, Health::Skipped);
  EXPECT_EQ (check_config ("/nonexistent", conf_).health, Health::Failed);
}

} // namespace

int
main (int argc, char **argv)
{
  testing::InitGoogleTest (&argc, argv);
  gst_init (&argc, &argv);
  return RUN_ALL_TESTS ();
}
