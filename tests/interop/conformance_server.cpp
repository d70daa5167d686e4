// SPDX-License-Identifier: LGPL-2.1-or-later
//
// conformance-server --port N: what the public test suites of Engine.IO 4 and
// Socket.IO 5 expect of a server, on loopback, built from our library.
//
//   /engine.io/  each message comes back as it was
//   /socket.io/  namespaces "/" and "/custom": "auth" with the CONNECT payload;
//                "message" comes back as "message-back", "message-with-ack" as
//                its acknowledgement, attachments included
#include "server/socketserver.hpp"

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

using namespace robotlive::server;

namespace {

class Application final : public SocketHandler, public HttpHandler
{
public:
  explicit Application (NetworkServer &server) : server_ (server) {}

  void on_connect (
      SocketId socket, const HandshakeInfo &, std::string_view auth) override
  {
    server_.accept (socket);
    server_.emit (socket,
        std::make_shared<const std::string> (
            "[\"auth\"," + std::string (auth.empty () ? "{}" : auth) + "]"));
  }

  void on_event (SocketId socket, const Event &event) override
  {
    if (event.name == "message" && event.binary)
      server_.emit_binary (
          socket, array ("\"message-back\"", event), event.attachments);
    else if (event.name == "message")
      server_.emit (socket, std::make_shared<const std::string> (
                                array ("\"message-back\"", event)));
    else if (event.name == "message-with-ack" && event.ack_id && event.binary)
      server_.emit_binary (
          socket, array ("", event), event.attachments, event.ack_id);
    else if (event.name == "message-with-ack" && event.ack_id)
      server_.ack (socket, *event.ack_id, array ("", event));
  }

  void on_disconnect (SocketId, std::string_view) override {}

  void on_request (
      const HttpRequest &, std::function<void (HttpResponse)> reply) override
  {
    HttpResponse response;
    response.status = 404;
    response.body = "{\"code\":\"not-found\"}";
    reply (std::move (response));
  }

private:
  static std::string array (std::string first, const Event &event)
  {
    std::string json = "[" + std::move (first);
    for (std::string_view argument : event.arguments) {
      if (json.size () > 1)
        json += ',';
      json += argument;
    }
    return json + "]";
  }

  NetworkServer &server_;
};

int
parse_port (int argc, char **argv)
{
  if (argc != 3 || std::string_view (argv[1]) != "--port")
    return -1;
  char *end = nullptr;
  long port = std::strtol (argv[2], &end, 10);
  return *argv[2] != '\0' && *end == '\0' && port >= 0 && port <= 65535
             ? static_cast<int> (port)
             : -1;
}

} // namespace

int
main (int argc, char **argv)
{
  int port = parse_port (argc, argv);
  if (port < 0) {
    std::fputs ("usage: conformance-server --port N\n", stderr);
    return 2;
  }
  try {
    ServerOptions options;
    options.ping_interval = std::chrono::milliseconds (300);
    options.ping_timeout = std::chrono::milliseconds (200);
    options.connect_timeout = std::chrono::milliseconds (1000);
    options.max_payload = 1000000;
    options.cors_origins = {"*"};
    options.namespaces = {"/", "/custom"};
    options.echo_path = "/engine.io/";
    // A suite is no attack.
    options.message_rate = {0, 0};
    options.max_queued_messages = 4096;
    NetworkServer server (options);
    Application application (server);
    server.set_handlers (application, application);
    for (int signal_number : {SIGTERM, SIGINT})
      server.on_signal (signal_number, [&server] { server.stop (); });
    std::printf ("listening %d\n",
        server.listen ("127.0.0.1", static_cast<std::uint16_t> (port)));
    std::fflush (stdout);
    server.run ();
    return 0;
  } catch (const std::exception &error) {
    std::fprintf (stderr, "conformance-server: %s\n", error.what ());
    return 1;
  }
}
