// SPDX-License-Identifier: LGPL-2.1-or-later
//
// TURN over TLS. libnice (0.1.21) speaks plain TCP to a "turns" server, user
// name, addresses and all; so TLS is done here: libnice connects to a port of
// this machine's loopback interface, and what goes over it is carried to the
// server in a TLS connection whose certificate has been verified. It is still
// the TURN server that asks for a password.
#pragma once
#include "base/eventloop.hpp"
#include <atomic>
#include <gio/gio.h>
#include <map>
#include <memory>
#include <string>

namespace robotlive {

class TurnTls
{
public:
  // *ca_file*: PEM file of the authorities to trust instead of the system's,
  // or "".
  explicit TurnTls (std::string ca_file);
  ~TurnTls ();
  TurnTls (const TurnTls &) = delete;
  TurnTls &operator= (const TurnTls &) = delete;

  // "turns://user:password@host:port?…" as the "turn://user:password@127.0.0.1:
  // …?transport=tcp" that leads there; what is no "turns" unchanged. "" and
  // *error* when there can be none.
  std::string local_uri (const std::string &uri, std::string *error);

private:
  struct Port;

  const std::string ca_file_;
  // Connections that are being made or carry something.
  const std::shared_ptr<std::atomic<unsigned>> open_ =
      std::make_shared<std::atomic<unsigned>> (0);
  std::map<std::string, std::unique_ptr<Port>> ports_; // by "host:port"
  // Media goes through it: a thread of its own. Ends first.
  EventLoop loop_{"turn-tls"};
};

} // namespace robotlive
