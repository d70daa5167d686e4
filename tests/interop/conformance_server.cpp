// SPDX-License-Identifier: LGPL-2.1-or-later
//
// conformance-server --port N: what the public test suites of Engine.IO 4 and
// Socket.IO 5 expect of a server, on loopback, built from our library. Their
// short times can be changed (ms), for a machine that is slower than they are:
// [--ping-interval 300] [--ping-timeout 200] [--connect-timeout 1000]
//
//   /engine.io/  each message comes back as it was
//   /socket.io/  namespaces "/" and "/custom": "auth" with the CONNECT payload;
//                "message" comes back as "message-back", "message-with-ack" as
//                its acknowledgement, attachments included
#include "server/net/networkserver.hpp"

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
    server_.trust (socket);
    server_.emit (socket,
        std::make_shared<const std::string> (
            "[\"auth\"," + std::string (auth.empty () ? "{}" : auth) + "]"),
        {});
  }

  void on_event (SocketId socket, const Event &event) override
  {
    if (event.name == "message" && event.binary)
      server_.emit_binary (
          socket, array ("\"message-back\"", event), event.attachments);
    else if (event.name == "message")
      server_.emit (socket,
          std::make_shared<const std::string> (
              array ("\"message-back\"", event)),
          {});
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

// Milliseconds or a port; -1 if *text* is neither.
int
parse_number (const char *text, int most)
{
  char *end = nullptr;
  long number = std::strtol (text, &end, 10);
  return *text != '\0' && *end == '\0' && number >= 0 && number <= most
             ? static_cast<int> (number)
             : -1;
}

struct Arguments
{
  int port = -1;
  int ping_interval = 300;
  int ping_timeout = 200;
  int connect_timeout = 1000;
};

bool
parse_arguments (int argc, char **argv, Arguments *arguments)
{
  constexpr int hour = 3600 * 1000;
  for (int i = 1; i + 1 < argc; i += 2) {
    std::string_view name = argv[i];
    if (name == "--port")
      arguments->port = parse_number (argv[i + 1], 65535);
    else if (name == "--ping-interval")
      arguments->ping_interval = parse_number (argv[i + 1], hour);
    else if (name == "--ping-timeout")
      arguments->ping_timeout = parse_number (argv[i + 1], hour);
    else if (name == "--connect-timeout")
      arguments->connect_timeout = parse_number (argv[i + 1], hour);
    else
      return false;
  }
  return argc % 2 == 1 && arguments->port >= 0 &&
         arguments->ping_interval > 0 && arguments->ping_timeout > 0 &&
         arguments->connect_timeout > 0;
}

} // namespace

int
main (int argc, char **argv)
{
  Arguments arguments;
  if (!parse_arguments (argc, argv, &arguments)) {
    std::fputs ("usage: conformance-server --port N [--ping-interval MS] "
                "[--ping-timeout MS] [--connect-timeout MS]\n",
        stderr);
    return 2;
  }
  try {
    ServerOptions options;
    options.ping_interval = std::chrono::milliseconds (arguments.ping_interval);
    options.ping_timeout = std::chrono::milliseconds (arguments.ping_timeout);
    options.connect_timeout =
        std::chrono::milliseconds (arguments.connect_timeout);
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
    std::printf (
        "listening %d\n", server.listen ("127.0.0.1",
                              static_cast<std::uint16_t> (arguments.port)));
    std::fflush (stdout);
    server.run ();
    return 0;
  } catch (const std::exception &error) {
    std::fprintf (stderr, "conformance-server: %s\n", error.what ());
    return 1;
  }
}
