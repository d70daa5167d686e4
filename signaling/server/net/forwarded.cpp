// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/forwarded.hpp"
#include "server/net/http.hpp"
#include "server/net/text.hpp"
#include <algorithm>
#include <cstdint>

namespace robotlive::server::net {

namespace {

// Splits at *separator* outside of quoted strings.
std::vector<std::string_view>
split (std::string_view text, char separator)
{
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size (); ++i) {
    if (quoted && text[i] == '\\')
      ++i;
    else if (text[i] == '"')
      quoted = !quoted;
    else if (text[i] == separator && !quoted) {
      parts.push_back (trim (text.substr (start, i - start)));
      start = i + 1;
    }
  }
  parts.push_back (trim (text.substr (start)));
  return parts;
}

std::string_view
unquoted (std::string_view text)
{
  if (text.size () >= 2 && text.front () == '"' && text.back () == '"')
    return text.substr (1, text.size () - 2);
  return text;
}

// The "for" of one element of Forwarded; empty if it does not say.
std::string
for_of (std::string_view element)
{
  for (std::string_view pair : split (element, ';')) {
    std::size_t equals = pair.find ('=');
    if (equals != pair.npos && lower (trim (pair.substr (0, equals))) == "for")
      return std::string (trim (pair.substr (equals + 1)));
  }
  return "";
}

bool
all_digits (std::string_view text)
{
  return !text.empty () && text.size () <= 5 &&
         text.find_first_not_of ("0123456789") == text.npos;
}

// FNV-1a: it has to be the same for the same text, and no more.
Address
stranger (std::string_view entry)
{
  std::uint64_t hash = 0xcbf29ce484222325;
  for (unsigned char c : entry)
    hash = (hash ^ c) * 0x100000001b3;
  Address address;
  address.bytes[0] = 1;
  // In the upper half, which is what limits count by.
  for (std::size_t i = 2; i < 8; ++i, hash >>= 8)
    address.bytes[i] = static_cast<unsigned char> (hash);
  return address;
}

// Host, as a program on this machine says it.
bool
names_loopback (std::string_view host)
{
  std::string name = lower (trim (host));
  std::size_t colon = name.find (':', name.find (']') + 1);
  std::string_view bare = std::string_view (name).substr (0, colon);
  if (bare.size () > 2 && bare.front () == '[' && bare.back () == ']')
    bare = bare.substr (1, bare.size () - 2);
  auto address = Address::parse (bare);
  return bare.empty () || bare == "localhost" ||
         (address && address->is_loopback ());
}

} // namespace

std::vector<std::string>
forwarded_entries (const HttpRequest &request)
{
  std::vector<std::string> entries;
  std::string list = joined_header (request, "x-forwarded-for");
  if (!list.empty ()) {
    for (std::string_view entry : split (list, ','))
      entries.emplace_back (entry);
    return entries;
  }
  list = joined_header (request, "forwarded");
  if (!list.empty ())
    for (std::string_view element : split (list, ','))
      entries.push_back (for_of (element));
  return entries;
}

bool
came_through_proxy (const HttpRequest &request)
{
  return std::any_of (request.headers.begin (), request.headers.end (),
      [] (const auto &header) {
        const std::string &name = header.first;
        return name == "forwarded" || name == "via" || name == "x-real-ip" ||
               name == "true-client-ip" || name == "cf-connecting-ip" ||
               name.rfind ("x-forwarded-", 0) == 0;
      });
}

Address
forwarded_address (std::string_view entry)
{
  std::string_view text = trim (unquoted (trim (entry)));
  std::string_view host = text, port;
  if (!text.empty () && text.front () == '[') {
    std::size_t end = text.find (']');
    if (end == text.npos)
      return stranger (entry);
    host = text.substr (1, end - 1);
    port = text.substr (end + 1);
    if (!port.empty () && port.front () != ':')
      return stranger (entry);
  } else if (std::count (text.begin (), text.end (), ':') == 1) {
    host = text.substr (0, text.find (':'));
    port = text.substr (text.find (':'));
  }
  if (!port.empty () && !all_digits (port.substr (1)))
    return stranger (entry);
  if (host.find (':') != host.npos)
    host = host.substr (0, host.find ('%')); // the zone is the proxy's matter
  auto address = Address::parse (host);
  return address ? *address : stranger (entry);
}

bool
is_trusted (const Address &address, const std::vector<Cidr> &trusted)
{
  return std::any_of (trusted.begin (), trusted.end (),
      [&address] (const Cidr &cidr) { return cidr.contains (address); });
}

Client
client_of (const Address &peer, const HttpRequest &request,
    const std::vector<Cidr> &trusted)
{
  Client client = Client::of_peer (peer);
  client.local = client.local && !came_through_proxy (request) &&
                 names_loopback (request.header ("host"));
  std::vector<std::string> entries = forwarded_entries (request);
  for (auto entry = entries.rbegin ();
       entry != entries.rend () && is_trusted (client.address, trusted);
       ++entry)
    client.address = forwarded_address (*entry);
  return client;
}

} // namespace robotlive::server::net
