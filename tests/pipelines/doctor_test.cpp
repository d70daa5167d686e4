// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What robotlive-doctor says of tokens, servers and STUN servers.
#include "doctor.hpp"
#include "grant/keyset.hpp"
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
#include <sys/stat.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace robotlive::robot;

namespace {

// A signaling server's HTTP side on a thread of its own.
class FakeServer
{
public:
  unsigned status = 200;
  std::string health =
      "{\"status\":\"healthy\",\"service\":\"webrtc-signaling\"}";
  std::string config = "{\"iceServers\":[]}";
  std::string authorization; // as it came with the last /config
  // Empty: as /health, a path that the server does not know.
  std::string keys;
  unsigned keys_status = 200;
  unsigned me_status = 200; // of /auth/me, with a token

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
    bool keys = strcmp (path, "/.well-known/jwks.json") == 0;
    const std::string &body = config                         ? self->config
                              : keys && !self->keys.empty () ? self->keys
                                                             : self->health;
    unsigned status = strcmp (path, "/auth/me") == 0 ? self->me_status
                      : keys                         ? self->keys_status
                                                     : self->status;
    if (config) {
      const char *sent = soup_message_headers_get_one (
          soup_server_message_get_request_headers (message), "Authorization");
      self->authorization = sent ? sent : "";
    }
    soup_server_message_set_status (message, status, nullptr);
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

// Its signature is right and its time has not come: the server alone knows.
TEST_F (Doctor, ATokenThatWasRevoked)
{
  FakeServer server;
  server.start ();
  token (R"({"sub":"r1","role":"robot"})");
  conf_.set ("signaling.server", server.url ());
  const auto tokens = [this] {
    Checks found;
    for (const Check &check : check_server (conf_))
      if (check.name == "token")
        found.push_back (check);
    return found;
  };
  server.me_status = 403; // known, and has no account to show
  EXPECT_TRUE (tokens ().empty ());
  server.me_status = 404; // a console
  EXPECT_TRUE (tokens ().empty ());
  server.me_status = 401;
  const Checks found = tokens ();
  ASSERT_EQ (found.size (), 1u);
  EXPECT_EQ (found[0].health, Health::Failed);
  EXPECT_NE (found[0].text.find ("revoked"), std::string::npos);
  EXPECT_NE (found[0].remedy.find ("robotlive-signaling robot token r1"),
      std::string::npos);
}

TEST_F (Doctor, ATokenAsPeoplePasteIt)
{
  token (R"({"sub":"r1","role":"robot","exp":1900000000})");
  std::string text;
  std::getline (std::ifstream (folder_ + "/token"), text);
  for (const std::string &pasted : {text + "\r\n", "\xEF\xBB\xBF" + text,
           "  \"" + text + "\"  \n", "Bearer " + text, text + "\n\n \n"}) {
    std::ofstream (folder_ + "/token") << pasted;
    EXPECT_EQ (token_check ().health, Health::Ok)
        << pasted << token_check ().text;
  }
  for (const auto &[pasted, why] :
      {std::pair (std::string ("\xFF\xFEx\0", 4), "UTF-16"),
          std::pair (text + "\n" + text, "more than one line"),
          std::pair ("token: " + text, "blank")}) {
    std::ofstream (folder_ + "/token") << pasted;
    EXPECT_EQ (token_check ().health, Health::Failed) << pasted;
    EXPECT_NE (token_check ().text.find (why), std::string::npos)
        << token_check ().text;
    EXPECT_EQ (token_check ().text.find (text), std::string::npos);
  }
}

// What a configuration names and is no file that can be read to its end.
TEST_F (Doctor, RefusesWhatIsNoFile)
{
  const std::string fifo = folder_ + "/fifo", large = folder_ + "/large";
  ASSERT_EQ (mkfifo (fifo.c_str (), 0600), 0);
  std::ofstream (large) << "x";
  ASSERT_EQ (truncate (large.c_str (), off_t (1) << 30), 0); // takes no room
  FakeServer server;
  server.start ();
  conf_.set ("signaling.server", server.url ());
  ProbeOptions options;
  options.folder = PIPELINES_DIR;
  conf_.set ("camera.source", "rtsp");
  conf_.set ("camera.location", "rtsp://127.0.0.1:1/cam");
  for (const std::string &path :
      {fifo, large, folder_, folder_ + "/none", std::string ("/dev/zero")}) {
    conf_.set ("signaling.token-file", path);
    Check check = token_check ();
    EXPECT_EQ (check.health, Health::Failed) << path;
    EXPECT_NE (check.text.find (path), std::string::npos) << check.text;
    check_server (conf_);
    EXPECT_EQ (server.authorization, "") << path;

    conf_.set ("signaling.grant-key", path);
    check = check_grant_key (conf_);
    EXPECT_EQ (check.health, Health::Failed) << path;
    EXPECT_NE (check.text.find (path), std::string::npos) << check.text;
    conf_.set ("signaling.grant-key", "");

    conf_.set ("camera.credentials-file", path);
    check = check_camera (conf_, options);
    EXPECT_EQ (check.health, Health::Failed) << path;
    EXPECT_NE (check.text.find (path), std::string::npos) << check.text;
    conf_.set ("camera.credentials-file", "");

    RobotConf read;
    EXPECT_EQ (check_config (path, read).health, Health::Failed) << path;
  }
  g_unlink (fifo.c_str ());
  g_unlink (large.c_str ());
}

// The robot's key against the server's.
TEST_F (Doctor, ComparesTheGrantKey)
{
  using robotlive::JwtKey;
  using robotlive::JwtKeySet;
  const JwtKey old = JwtKey::generate_es256 (),
               fresh = JwtKey::generate_es256 ();
  JwtKeySet both (fresh);
  both.add (old);
  FakeServer server;
  server.keys = both.jwks ();
  server.start ();
  conf_.set ("signaling.server", server.url ());
  EXPECT_EQ (check_grant_key (conf_).health, Health::Ok);
  EXPECT_EQ (check_grant_key (conf_).text, "2 keys of the server");

  const std::string file = folder_ + "/key.pem";
  conf_.set ("signaling.grant-key", file);
  EXPECT_EQ (check_grant_key (conf_).health, Health::Failed) << "no file";
  std::ofstream (file) << fresh.public_pem ();
  EXPECT_EQ (check_grant_key (conf_).health, Health::Ok)
      << check_grant_key (conf_).text;
  std::ofstream (file) << old.public_pem ();
  EXPECT_EQ (check_grant_key (conf_).health, Health::Failed);
  EXPECT_NE (
      check_grant_key (conf_).text.find ("an old key"), std::string::npos);
  std::ofstream (file) << JwtKey::generate_es256 ().public_pem ();
  const Check wrong = check_grant_key (conf_);
  EXPECT_EQ (wrong.health, Health::Failed);
  EXPECT_NE (wrong.text.find ("every viewer is refused"), std::string::npos);
  EXPECT_NE (
      wrong.remedy.find ("robotlive-signaling key show"), std::string::npos);
  EXPECT_NE (wrong.remedy.find (file), std::string::npos);
  // As the remedy says.
  std::ofstream (file, std::ios::app) << fresh.public_pem ();
  EXPECT_EQ (check_grant_key (conf_).health, Health::Ok);
  std::ofstream (file) << std::string (32, 's');
  g_chmod (file.c_str (), 0640);
  EXPECT_EQ (check_grant_key (conf_).health, Health::Skipped);
  g_chmod (file.c_str (), 0644);
  EXPECT_NE (check_grant_key (conf_).text.find ("everyone may read"),
      std::string::npos);
  g_unlink (file.c_str ());

  conf_.set ("signaling.grant-key", "");
  server.keys_status = 404;
  EXPECT_EQ (check_grant_key (conf_).health, Health::Failed);
  EXPECT_NE (
      check_grant_key (conf_).remedy.find ("trust-server"), std::string::npos);
  server.keys_status = 200;
  server.keys = "<html>";
  EXPECT_EQ (check_grant_key (conf_).health, Health::Warning);
  conf_.set ("signaling.server", "ws://192.0.2.1:8080");
  EXPECT_EQ (check_grant_key (conf_).health, Health::Failed);
  EXPECT_NE (check_grant_key (conf_).remedy.find ("wss://"), std::string::npos);
  conf_.set ("signaling.session-policy", "open");
  EXPECT_EQ (check_grant_key (conf_).health, Health::Skipped);
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

// A plugin that is installed and damaged: what is said is done.
TEST_F (Doctor, NamesAPluginOnTheBlacklist)
{
  const std::string plugins = folder_ + "/plugins",
                    registry = folder_ + "/registry.bin",
                    conf = folder_ + "/robot.conf",
                    damaged = plugins + "/libgstx264.so";
  ASSERT_EQ (g_mkdir (plugins.c_str (), 0700), 0);
  // As many of the machine's as the encoder's pipeline takes.
  GstPlugin *core =
      gst_registry_find_plugin (gst_registry_get (), "coreelements");
  ASSERT_NE (core, nullptr);
  gchar *system = g_path_get_dirname (gst_plugin_get_filename (core));
  gst_object_unref (core);
  std::vector<std::string> links;
  for (const char *name : {"coreelements", "videotestsrc", "videoconvertscale",
           "videoparsersbad", "debugutilsbad"}) {
    links.push_back (plugins + "/libgst" + name + ".so");
    ASSERT_EQ (
        symlink ((std::string (system) + "/libgst" + name + ".so").c_str (),
            links.back ().c_str ()),
        0);
  }
  g_free (system);
  std::ofstream (damaged) << "no library";
  std::ofstream (conf) << "[robot]\nid = r1\n[signaling]\n"
                          "server = ws://127.0.0.1:1\n[camera]\n"
                          "source = test-pattern\n[encoder]\n"
                          "name = x264enc\n";
  gchar **env = g_get_environ ();
  for (const auto &[name, value] :
      {std::pair ("GST_PLUGIN_SYSTEM_PATH_1_0", plugins),
          std::pair ("GST_PLUGIN_PATH_1_0", std::string ()),
          std::pair ("GST_PLUGIN_PATH", std::string ()),
          std::pair ("GST_REGISTRY_1_0", registry)})
    env = g_environ_setenv (env, name, value.c_str (), TRUE);
  env = g_environ_unsetenv (env, "GST_REGISTRY_FORK");
  const auto output = [env] (std::vector<const gchar *> argv) {
    argv.push_back (nullptr);
    gchar *out = nullptr, *err = nullptr;
    EXPECT_TRUE (g_spawn_sync (nullptr, const_cast<gchar **> (argv.data ()),
        env, G_SPAWN_SEARCH_PATH, nullptr, nullptr, &out, &err, nullptr,
        nullptr));
    const std::string all = std::string (out ? out : "") + (err ? err : "");
    g_free (out);
    g_free (err);
    return all;
  };
  const std::string said = output (
      {DOCTOR, "--config", conf.c_str (), "--pipelines", PIPELINES_DIR});
  EXPECT_NE (said.find ("GStreamer has no element x264enc: its plugin " +
                        damaged + " is installed, but could not be loaded"),
      std::string::npos)
      << said;
  EXPECT_NE (said.find ("-> gst-inspect-1.0 " + damaged +
                        " says why; apt install --reinstall "
                        "gstreamer1.0-plugins-ugly, then rm " +
                        registry),
      std::string::npos)
      << said;
  // One that is not there at all is to be installed.
  EXPECT_NE (
      said.find ("GStreamer has no element signalingbin\n"), std::string::npos);
  EXPECT_NE (
      said.find ("-> apt install gstreamer1.0-robotlive\n"), std::string::npos);
  // The remedy: it does say why.
  EXPECT_NE (output ({"gst-inspect-1.0", damaged.c_str ()}).find (damaged),
      std::string::npos);
  g_strfreev (env);
  links.insert (links.end (), {damaged, registry, conf});
  for (const std::string &path : links)
    g_unlink (path.c_str ());
  g_rmdir (plugins.c_str ());
}

TEST_F (Doctor, AFolderWithoutPipelines)
{
  EXPECT_TRUE (check_pipelines (PIPELINES_DIR).empty ());
  for (const std::string &folder : {folder_, std::string ("/nonexistent")}) {
    const Checks checks = check_pipelines (folder);
    ASSERT_EQ (checks.size (), 1u);
    EXPECT_EQ (checks[0].health, Health::Failed);
    EXPECT_NE (checks[0].text.find (folder), std::string::npos);
    EXPECT_NE (checks[0].remedy.find ("--pipelines"), std::string::npos);
  }
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
  for (const char *name : {"config", "plugin", "internals", "camera", "encoder",
           "clock", "network", "token", "server", "turn"})
    EXPECT_EQ (seen.count (name), 1u) << name;
  EXPECT_EQ (seen["config"], "ok");
  EXPECT_EQ (seen["plugin"], "ok");
  EXPECT_NE (seen["internals"], "skipped");
  EXPECT_NE (seen["internals"], "failed");
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

} // namespace

int
main (int argc, char **argv)
{
  testing::InitGoogleTest (&argc, argv);
  gst_init (&argc, &argv);
  return RUN_ALL_TESTS ();
}
