// SPDX-License-Identifier: LGPL-2.1-or-later
//
// Addresses and ranges of them, Host, and the browser's Origin.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr;

namespace robotlive::server::net {

// An IPv6 address; IPv4 as ::ffff:a.b.c.d.
struct Address
{
  std::array<unsigned char, 16> bytes{};

  static std::optional<Address> parse (std::string_view text);
  static Address from (const sockaddr *address); // AF_UNIX: loopback

  bool is_v4 () const;
  bool is_loopback () const;
  std::string text () const; // IPv4 in dotted form
  // What limits count: the IPv4 address or the IPv6 /64 (one household).
  Address limit_key () const;

  bool operator== (const Address &other) const { return bytes == other.bytes; }
};

struct AddressHash
{
  std::size_t operator() (const Address &address) const;
};

struct Cidr
{
  Address network;
  unsigned prefix = 128; // bits of the IPv6 form

  // "10.0.0.0/8", "::1/128", "192.0.2.1". Empty if malformed.
  static std::optional<Cidr> parse (std::string_view text);
  bool contains (const Address &address) const;
};

// Whether Host names this server: any does if *names* is empty; else an IP
// address or one of *names*, in any case and with any port.
bool host_allowed (
    std::string_view host, const std::vector<std::string> &names);

// Whether a browser on *origin* may talk to us. *host*: the Host header.
// An https page of the same host passes on a plain connection as well (TLS ends
// in a proxy), an http page on a TLS connection does not.
bool origin_allowed (std::string_view origin, std::string_view host,
    bool secure, const std::vector<std::string> &list);
// The same, but not by "*": it may bring credentials.
bool origin_named (std::string_view origin, std::string_view host, bool secure,
    const std::vector<std::string> &list);

} // namespace robotlive::server::net
