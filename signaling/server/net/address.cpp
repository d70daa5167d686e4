// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/address.hpp"

#include "server/net/text.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>

namespace robotlive::server::net {

namespace {

constexpr std::array<unsigned char, 12> v4_prefix{
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

// "host:80" of an http origin and "host" name the same server.
std::string
without_port (std::string host, std::string_view port)
{
  if (host.size () > port.size () &&
      std::string_view (host).substr (host.size () - port.size ()) == port)
    host.resize (host.size () - port.size ());
  return host;
}

} // namespace

std::optional<Address>
Address::parse (std::string_view text)
{
  char buffer[64];
  if (text.empty () || text.size () >= sizeof buffer)
    return std::nullopt;
  *std::copy (text.begin (), text.end (), buffer) = '\0';
  Address address;
  if (inet_pton (AF_INET6, buffer, address.bytes.data ()) == 1)
    return address;
  std::copy (v4_prefix.begin (), v4_prefix.end (), address.bytes.begin ());
  if (inet_pton (AF_INET, buffer, address.bytes.data () + 12) == 1)
    return address;
  return std::nullopt;
}

Address
Address::from (const sockaddr *address)
{
  Address result;
  if (address->sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy (&v6, address, sizeof v6);
    std::memcpy (result.bytes.data (), &v6.sin6_addr, 16);
  } else if (address->sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy (&v4, address, sizeof v4);
    std::copy (v4_prefix.begin (), v4_prefix.end (), result.bytes.begin ());
    std::memcpy (result.bytes.data () + 12, &v4.sin_addr, 4);
  } else {
    result.bytes[15] = 1;
  }
  return result;
}

bool
Address::is_v4 () const
{
  return std::equal (v4_prefix.begin (), v4_prefix.end (), bytes.begin ());
}

bool
Address::is_loopback () const
{
  static const Address v6_loopback = *Address::parse ("::1");
  return is_v4 () ? bytes[12] == 127 : *this == v6_loopback;
}

std::string
Address::text () const
{
  char buffer[INET6_ADDRSTRLEN];
  if (is_v4 ())
    inet_ntop (AF_INET, bytes.data () + 12, buffer, sizeof buffer);
  else
    inet_ntop (AF_INET6, bytes.data (), buffer, sizeof buffer);
  return buffer;
}

Address
Address::limit_key () const
{
  Address key = *this;
  if (!is_v4 ())
    std::fill (key.bytes.begin () + 8, key.bytes.end (), 0);
  return key;
}

std::size_t
AddressHash::operator() (const Address &address) const
{
  return std::hash<std::string_view> () (
      {reinterpret_cast<const char *> (address.bytes.data ()),
          address.bytes.size ()});
}

std::optional<Cidr>
Cidr::parse (std::string_view text)
{
  std::size_t slash = text.find ('/');
  auto network = Address::parse (text.substr (0, slash));
  if (!network)
    return std::nullopt;
  Cidr cidr;
  cidr.network = *network;
  if (slash != std::string_view::npos) {
    std::string_view bits = text.substr (slash + 1);
    unsigned prefix = 0;
    auto [end, error] =
        std::from_chars (bits.data (), bits.data () + bits.size (), prefix);
    unsigned longest = network->is_v4 () ? 32 : 128;
    if (error != std::errc () || end != bits.data () + bits.size () ||
        prefix > longest)
      return std::nullopt;
    cidr.prefix = prefix + (128 - longest);
  }
  return cidr;
}

bool
Cidr::contains (const Address &address) const
{
  std::size_t whole = prefix / 8;
  if (!std::equal (network.bytes.begin (), network.bytes.begin () + whole,
          address.bytes.begin ()))
    return false;
  unsigned rest = prefix % 8;
  return rest == 0 ||
         ((network.bytes[whole] ^ address.bytes[whole]) >> (8 - rest)) == 0;
}

bool
host_allowed (std::string_view host, const std::vector<std::string> &names)
{
  if (names.empty ())
    return true;
  std::string name = lower (host);
  std::size_t colon = name.find (':', name.find (']') + 1);
  if (name.compare (0, 1, "[") == 0 && name.find (']') == std::string::npos)
    return false;
  name = name.substr (0, colon);
  if (name.size () > 2 && name.front () == '[' && name.back () == ']')
    return Address::parse (name.substr (1, name.size () - 2)).has_value ();
  if (!name.empty () && name.back () == '.')
    name.pop_back ();
  return Address::parse (name) || std::any_of (names.begin (), names.end (),
                                      [&name] (const std::string &known) {
                                        return lower (known) == name;
                                      });
}

bool
origin_allowed (std::string_view origin, std::string_view host, bool secure,
    const std::vector<std::string> &list)
{
  return origin_named (origin, host, secure, list) ||
         std::find (list.begin (), list.end (), "*") != list.end ();
}

bool
origin_named (std::string_view origin, std::string_view host, bool secure,
    const std::vector<std::string> &list)
{
  std::string wanted = lower (origin);
  for (const std::string &allowed : list)
    if (allowed != "*" && lower (allowed) == wanted)
      return true;
  std::string_view scheme;
  std::string_view port;
  if (wanted.compare (0, 8, "https://") == 0) {
    scheme = "https://";
    port = ":443";
  } else if (wanted.compare (0, 7, "http://") == 0 && !secure) {
    scheme = "http://";
    port = ":80";
  } else {
    return false;
  }
  return !host.empty () && without_port (wanted.substr (scheme.size ()),
                               port) == without_port (lower (host), port);
}

} // namespace robotlive::server::net
