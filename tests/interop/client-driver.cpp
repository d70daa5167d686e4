// SPDX-License-Identifier: LGPL-2.1-or-later
//
// A robot without media, for client.test.js: runs the Socket.IO client, prints
// each call of its listener as one line of JSON, and answers every offer with
// the SDP "answer to <sdp>" and one candidate.
//
//   client-driver URL ROBOT-ID [ROOM…]
//
// The token is taken from the file that $TOKEN_FILE names. Back-off is 100 ms
// to 1 s. Ends on SIGTERM.
#include "client/socketioclient.hpp"
#include "protocol/json.hpp"
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <glib-unix.h>

using namespace robotlive;

namespace {

void
print (JsonWriter &line)
{
  std::puts (line.end ().text ().c_str ());
  std::fflush (stdout);
}

class Robot final : public SignallerListener
{
public:
  explicit Robot (SocketIoClientOptions options)
      : signaller_ (make_socketio_client (std::move (options)))
  {
    signaller_->start (this);
  }
  void stop () { signaller_->stop (); }

  void on_link_state (LinkState state) override
  {
    static const char *const names[] = {
        "disconnected", "connecting", "connected", "registered"};
    line ("state").field ("state", names[static_cast<int> (state)]);
    print (line_);
  }
  void on_registered (
      const std::vector<IceServer> &servers, std::optional<TimeMs>) override
  {
    line ("registered").field ("iceServers", std::uint64_t{servers.size ()});
    print (line_);
  }
  void on_offer (const std::string &from, const std::string &peer_id,
      const std::string &sdp,
      const std::optional<SessionTerms> &session) override
  {
    line ("offer").field ("from", from).field ("peerId", peer_id);
    line_.field ("sdp", sdp).field ("session", session.has_value ());
    print (line_);
    signaller_->send_answer (from, peer_id, "answer to " + sdp);
    IceCandidate candidate;
    candidate.candidate = "candidate:1 1 udp 1 192.0.2.1 9 typ host";
    candidate.sdp_mid = "0";
    signaller_->send_candidate (from, peer_id, candidate);
  }
  void on_candidate (const std::string &from, const std::string &peer_id,
      const IceCandidate &candidate) override
  {
    line ("candidate").field ("from", from).field ("peerId", peer_id);
    line_.field ("candidate", candidate.candidate);
    print (line_);
  }
  void on_leave (const std::string &peer_id, const std::string &reason) override
  {
    line ("leave").field ("peerId", peer_id).field ("reason", reason);
    print (line_);
  }
  void on_session_updated (
      const std::string &peer_id, const SessionTerms &) override
  {
    line ("session-updated").field ("peerId", peer_id);
    print (line_);
  }
  void on_session_ended (
      const std::string &peer_id, const std::string &reason) override
  {
    line ("session-ended").field ("peerId", peer_id).field ("reason", reason);
    print (line_);
  }
  void on_error (
      const std::string &code, const std::string &message, bool fatal) override
  {
    line ("error").field ("code", code).field ("message", message);
    line_.field ("fatal", fatal);
    print (line_);
  }

private:
  JsonWriter &line (const char *call)
  {
    line_ = JsonWriter ();
    return line_.object ().field ("call", call);
  }

  JsonWriter line_;
  std::unique_ptr<Signaller> signaller_;
};

std::string
read_token (std::string *error)
{
  std::string token;
  if (const char *path = std::getenv ("TOKEN_FILE")) {
    std::ifstream file (path);
    if (!(file >> token))
      *error = "The token file cannot be read.";
  }
  return token;
}

gboolean
quit (gpointer loop)
{
  g_main_loop_quit (static_cast<GMainLoop *> (loop));
  return G_SOURCE_REMOVE;
}

} // namespace

int
main (int argc, char **argv)
{
  if (argc < 3)
    return 2;
  SocketIoClientOptions options;
  options.url = argv[1];
  options.robot_id = argv[2];
  options.rooms.assign (argv + 3, argv + argc);
  options.token = read_token;
  options.connect_timeout = 3000;
  options.register_timeout = 3000;
  options.backoff_min = 100;
  options.backoff_max = 1000;
  if (const char *ca = std::getenv ("CA_FILE"))
    options.tls_ca_file = ca;

  g_autoptr (GMainLoop) loop = g_main_loop_new (nullptr, FALSE);
  g_unix_signal_add (SIGTERM, quit, loop);
  {
    Robot robot (std::move (options));
    g_main_loop_run (loop);
    robot.stop ();
    // What stop () left to be sent.
    while (g_main_context_iteration (nullptr, FALSE)) {
    }
  }
  return 0;
}
