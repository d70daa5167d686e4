// SPDX-License-Identifier: LGPL-2.1-or-later
#include "server/net/http.hpp"

#include "server/net/text.hpp"

#include "protocol/json.hpp"

#include <algorithm>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>
#include <charconv>
#include <ctime>

namespace robotlive::server {

std::string_view
HttpRequest::header (std::string_view name) const
{
  for (const auto &[key, value] : headers)
    if (key == name)
      return value;
  return {};
}

namespace net {

namespace {

namespace http = boost::beast::http;

// Whether a comma-separated list has *token*, in any case.
bool
has_token (std::string_view list, std::string_view token)
{
  while (!list.empty ()) {
    std::size_t comma = std::min (list.find (','), list.size ());
    if (lower (trim (list.substr (0, comma))) == token)
      return true;
    list.remove_prefix (std::min (comma + 1, list.size ()));
  }
  return false;
}

int
hex_value (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  if (c >= 'a' && c <= 'f')
    return c - 'a' + 10;
  if (c >= 'A' && c <= 'F')
    return c - 'A' + 10;
  return -1;
}

const std::string &
http_date ()
{
  thread_local std::time_t last = 0;
  thread_local std::string text;
  std::time_t now = std::time (nullptr);
  if (now != last) {
    std::tm utc;
    gmtime_r (&now, &utc);
    // Not strftime: the names must be English in every locale.
    static constexpr const char *days[] = {
        "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char *months[] = {"Jan", "Feb", "Mar", "Apr", "May",
        "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    char buffer[64];
    std::snprintf (buffer, sizeof buffer, "%s, %02d %s %d %02d:%02d:%02d GMT",
        days[utc.tm_wday % 7], utc.tm_mday, months[utc.tm_mon % 12],
        utc.tm_year + 1900, utc.tm_hour, utc.tm_min, utc.tm_sec);
    text = buffer;
    last = now;
  }
  return text;
}

bool
field_safe (std::string_view text)
{
  return text.find_first_of (std::string_view ("\r\n\0", 3)) ==
         std::string_view::npos;
}

} // namespace

HttpReader::HttpReader (std::size_t max_head) : max_head_ (max_head) {}
HttpReader::~HttpReader () = default;

bool
HttpReader::refuse (int status)
{
  refusal_ = status;
  keep_alive_ = false;
  state_ = State::refused;
  return false;
}

HttpReader::State
HttpReader::parse ()
{
  if (state_ == State::idle && !buffer_.empty ())
    state_ = State::head;
  if (state_ == State::head && parse_head ())
    return state_ = State::body;
  if (state_ == State::body) {
    if (content_length_ > body_limit_)
      refuse (413);
    else if (buffer_.size () >= content_length_) {
      request_.body = buffer_.substr (0, content_length_);
      buffer_.erase (0, content_length_);
      state_ = State::complete;
    }
  }
  return state_;
}

void
HttpReader::next ()
{
  request_ = HttpRequest ();
  content_length_ = 0;
  searched_ = 0;
  state_ = State::idle;
  expects_continue_ = false;
  wants_websocket_ = false;
  if (buffer_.empty ())
    std::string ().swap (buffer_);
}

bool
HttpReader::parse_head ()
{
  // Not HTTP at all (a TLS hello, a bare LF): say so before the deadline.
  auto first = static_cast<unsigned char> (buffer_[0]);
  if (first < 'A' || first > 'Z')
    return refuse (400);
  std::size_t end = buffer_.find ("\r\n\r\n", searched_);
  if (end == std::string::npos) {
    searched_ = buffer_.size () > 3 ? buffer_.size () - 3 : 0;
    if (buffer_.size () >= max_head_)
      return refuse (431);
    return false;
  }
  std::string_view head (buffer_.data (), end + 4);
  if (head.size () > max_head_)
    return refuse (431);
  // Obsolete line folding (RFC 9112 section 5.2): Beast would join the lines.
  if (head.find ("\r\n ") != head.npos || head.find ("\r\n\t") != head.npos)
    return refuse (400);

  for (std::size_t i = head.find ('\n'); i != head.npos;
       i = head.find ('\n', i + 1))
    if (i == 0 || head[i - 1] != '\r')
      return refuse (400);

  http::request_parser<http::empty_body> parser;
  parser.header_limit (static_cast<std::uint32_t> (max_head_));
  parser.body_limit (boost::none);
  boost::beast::error_code error;
  std::size_t used =
      parser.put (boost::asio::buffer (head.data (), head.size ()), error);
  if (error == http::error::header_limit)
    return refuse (431);
  if (error || !parser.is_header_done () || used != head.size ())
    return refuse (error == http::error::bad_version ? 505 : 400);

  const auto &message = parser.get ();
  http_1_0_ = message.version () == 10;
  if (message.version () != 11 && !http_1_0_)
    return refuse (505);
  request_.method = message.method_string ();
  for (const auto &field : message)
    request_.headers.emplace_back (
        lower (field.name_string ()), std::string (field.value ()));
  if (!check_headers () || !check_target (message.target ()))
    return false;
  buffer_.erase (0, head.size ());
  return true;
}

// RFC 9112 sections 3.2, 6.1 and 6.3: what two servers could read differently
// is refused.
bool
HttpReader::check_headers ()
{
  std::size_t hosts = 0;
  std::size_t lengths = 0;
  bool coded = false;
  std::string connection;
  content_length_ = 0;
  for (const auto &[name, value] : request_.headers) {
    if (name == "host")
      hosts++;
    else if (name == "transfer-encoding")
      coded = true;
    else if (name == "connection")
      connection += value + ',';
    else if (name == "content-length") {
      lengths++;
      const char *last = value.data () + value.size ();
      auto [end, status] =
          std::from_chars (value.data (), last, content_length_);
      if (status != std::errc () || end != last)
        return refuse (400);
    }
  }
  if (hosts > 1 || (hosts == 0 && !http_1_0_) || lengths > 1 ||
      (coded && lengths > 0))
    return refuse (400);
  // No client of this server needs chunks; without them there is no second
  // way to tell where a request ends.
  if (coded)
    return refuse (411);
  keep_alive_ = !http_1_0_ && !has_token (connection, "close");
  expects_continue_ = lower (request_.header ("expect")) == "100-continue";
  wants_websocket_ = request_.method == "GET" && !http_1_0_ &&
                     has_token (connection, "upgrade") &&
                     lower (request_.header ("upgrade")) == "websocket";
  return true;
}

bool
HttpReader::check_target (std::string_view target)
{
  if (request_.method == "CONNECT" || request_.method == "TRACE")
    return refuse (405);
  if (target.empty () || target[0] != '/')
    return refuse (400);
  std::size_t mark = target.find ('?');
  request_.raw_path = target.substr (0, mark);
  if (!percent_decode (request_.raw_path, request_.path))
    return refuse (400);
  if (mark != target.npos)
    request_.query = target.substr (mark + 1);
  return true;
}

bool
percent_decode (std::string_view text, std::string &out)
{
  out.clear ();
  for (std::size_t i = 0; i < text.size (); i++) {
    char c = text[i];
    if (c == '%') {
      int high = i + 2 < text.size () ? hex_value (text[i + 1]) : -1;
      int low = i + 2 < text.size () ? hex_value (text[i + 2]) : -1;
      if (high < 0 || low < 0)
        return false;
      c = static_cast<char> (high << 4 | low);
      i += 2;
    }
    if (c == '\0')
      return false;
    out += c;
  }
  return utf8_valid (out);
}

std::string
query_value (std::string_view query, std::string_view name)
{
  while (!query.empty ()) {
    std::size_t end = std::min (query.find ('&'), query.size ());
    std::string_view pair = query.substr (0, end);
    std::size_t equals = std::min (pair.find ('='), pair.size ());
    if (pair.substr (0, equals) == name) {
      std::string value;
      std::size_t start = std::min (equals + 1, pair.size ());
      return percent_decode (pair.substr (start), value) ? value : "";
    }
    query.remove_prefix (std::min (end + 1, query.size ()));
  }
  return {};
}

std::string
joined_header (const HttpRequest &request, std::string_view name)
{
  std::string list;
  for (const auto &[key, value] : request.headers)
    if (key == name)
      list.append (list.empty () ? "" : ",").append (value);
  return list;
}

HttpResponse
busy_response ()
{
  HttpResponse busy;
  busy.status = 503;
  busy.headers.emplace_back ("Retry-After", "5");
  busy.body = R"({"code":"busy","message":"Too many connections"})";
  return busy;
}

std::string_view
last_item (std::string_view list)
{
  std::size_t comma = list.rfind (',');
  return trim (list.substr (comma == list.npos ? 0 : comma + 1));
}

void
add_cors (HttpResponse &response, const std::string &origin, bool named)
{
  response.headers.emplace_back (
      "Access-Control-Allow-Origin", named ? origin : "*");
  if (named)
    response.headers.emplace_back ("Access-Control-Allow-Credentials", "true");
  response.headers.emplace_back ("Vary", "Origin");
}

void
add_restrictions (HttpResponse &response, bool secure)
{
  auto add = [&response] (const char *name, const char *value) {
    if (std::none_of (response.headers.begin (), response.headers.end (),
            [name] (const auto &header) { return header.first == name; }))
      response.headers.emplace_back (name, value);
  };
  add ("X-Content-Type-Options", "nosniff");
  add ("X-Frame-Options", "DENY");
  add ("Referrer-Policy", "no-referrer");
  add ("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
  if (secure)
    add ("Strict-Transport-Security", "max-age=31536000");
}

const char *
http_status_text (int status)
{
  return http::obsolete_reason (
      static_cast<http::status> (static_cast<unsigned> (status)))
      .data ();
}

std::string
http_response (const HttpResponse &response, bool keep_alive, bool head_only)
{
  std::string text = "HTTP/1.1 ";
  text += std::to_string (response.status);
  text += ' ';
  text += http_status_text (response.status);
  text += "\r\nDate: " + http_date ();
  bool bodiless = response.status == 204 || response.status == 304;
  if (!bodiless) {
    if (!response.content_type.empty () && field_safe (response.content_type))
      text += "\r\nContent-Type: " + response.content_type;
    text += "\r\nContent-Length: " + std::to_string (response.body.size ());
  }
  for (const auto &[name, value] : response.headers)
    if (field_safe (name) && field_safe (value))
      text += "\r\n" + name + ": " + value;
  text += keep_alive ? "\r\nConnection: keep-alive\r\n\r\n"
                     : "\r\nConnection: close\r\n\r\n";
  if (!bodiless && !head_only)
    text += response.body;
  return text;
}

} // namespace net
} // namespace robotlive::server
