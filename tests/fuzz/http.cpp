// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP requests off a stream. The first byte says how the rest is cut into
// reads: neither the requests nor the refusal may depend on it.
#include "server/net/http.hpp"
#include "fuzz.hpp"
#include "protocol/json.hpp"

#include <algorithm>
#include <vector>

using namespace robotlive::server;
using net::HttpReader;

namespace {

constexpr std::size_t max_head = 1024;
constexpr std::size_t max_body = 512;

void
check (const HttpRequest &request)
{
  std::size_t hosts = 0;
  std::size_t bytes = 0;
  for (const auto &[name, value] : request.headers) {
    hosts += name == "host";
    bytes += name.size () + value.size ();
    REQUIRE (name != "transfer-encoding");
    REQUIRE ((name + value).find_first_of (std::string_view ("\r\n\0", 3)) ==
             std::string::npos);
  }
  REQUIRE (hosts <= 1 && bytes <= max_head);
  REQUIRE (!request.path.empty () && request.path[0] == '/');
  REQUIRE (request.path.find ('\0') == std::string::npos);
  REQUIRE (robotlive::utf8_valid (request.path));
  REQUIRE (request.body.size () <= max_body);
  (void)net::query_value (request.query, "sid");
  (void)net::last_item (net::joined_header (request, "x-forwarded-for"));
}

// What a server would see, as text.
std::vector<std::string>
read_all (std::string_view stream, std::size_t step)
{
  std::vector<std::string> seen;
  HttpReader reader (max_head);
  while (!stream.empty ()) {
    const std::string_view bytes = stream.substr (0, step);
    stream.remove_prefix (bytes.size ());
    reader.append (bytes);
    auto state = reader.state ();
    for (bool more = true; more;) {
      const auto before = state;
      state = reader.parse ();
      more = state != before;
      if (state == HttpReader::State::body) {
        reader.set_body_limit (max_body);
      } else if (state == HttpReader::State::refused) {
        seen.push_back (std::to_string (reader.refusal ()));
        return seen;
      } else if (state == HttpReader::State::complete) {
        const HttpRequest &request = reader.request ();
        check (request);
        REQUIRE (request.body.size () == reader.content_length ());
        std::string text =
            request.method + ' ' + request.path + '?' + request.query;
        for (const auto &[name, value] : request.headers)
          text.append ("\n").append (name).append (":").append (value);
        seen.push_back (text + "\n\n" + request.body);
        reader.next ();
        state = reader.state ();
        more = reader.buffered () > 0;
      }
    }
  }
  return seen;
}

} // namespace

extern "C" int
LLVMFuzzerTestOneInput (const std::uint8_t *data, std::size_t size)
{
  if (size == 0)
    return 0;
  const std::string_view stream (
      reinterpret_cast<const char *> (data + 1), size - 1);
  REQUIRE (read_all (stream, size) == read_all (stream, data[0] % 16 + 1));
  return 0;
}
