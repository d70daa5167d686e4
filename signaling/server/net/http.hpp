// SPDX-License-Identifier: LGPL-2.1-or-later
//
// HTTP/1.1 requests off a byte stream, responses onto one. Beast reads the
// request line and the headers; what it lets through and a server behind or in
// front of a proxy must not is refused here.
#pragma once
#include "server/hub/sockets.hpp"

#include <memory>
#include <string>
#include <string_view>

namespace robotlive::server::net {

class HttpReader
{
public:
  enum class State : unsigned char
  {
    idle,     // not a byte of a request
    head,     // in the request line or the headers
    body,     // the head is complete, see request ()
    complete, // request () has its body
    refused,  // see refusal ()
  };

  // *max_head*: bytes of request line and headers.
  explicit HttpReader (std::size_t max_head);
  ~HttpReader ();

  void append (std::string_view bytes) { buffer_ += bytes; }
  // Goes as far as the bytes allow; called again after append () or next ().
  State parse ();
  State state () const { return state_; }

  // Of a body or a complete request. Address and secure are the caller's.
  HttpRequest &request () { return request_; }
  // Bytes of the body, known with the head. A body longer than *limit* makes
  // the next parse () refuse with 413.
  std::size_t content_length () const { return content_length_; }
  void set_body_limit (std::size_t limit) { body_limit_ = limit; }
  bool keep_alive () const { return keep_alive_; }
  bool expects_continue () const { return expects_continue_; }
  // GET with Connection: Upgrade and Upgrade: websocket.
  bool wants_websocket () const { return wants_websocket_; }

  // HTTP status of a refused request.
  int refusal () const { return refusal_; }
  // Forgets a complete request; the bytes after it stay.
  void next ();
  std::size_t buffered () const { return buffer_.size (); }

private:
  bool parse_head ();
  bool check_headers ();
  bool check_target (std::string_view target);
  bool refuse (int status);

  std::string buffer_;
  HttpRequest request_;
  std::size_t max_head_;
  std::size_t body_limit_ = 0;
  std::size_t content_length_ = 0;
  std::size_t searched_ = 0; // no end of the head before this offset
  int refusal_ = 0;
  State state_ = State::idle;
  bool http_1_0_ = false;
  bool keep_alive_ = true;
  bool expects_continue_ = false;
  bool wants_websocket_ = false;
};

// The values of all lines of header *name* as one list (RFC 9110 section 5.3).
std::string joined_header (const HttpRequest &request, std::string_view name);
// Of a comma-separated list, without spaces round it.
HttpResponse busy_response ();
// *origin* may read it; one that "*" alone lets in brings no credentials.
void add_cors (HttpResponse &response, const std::string &origin, bool named);
// What browsers are told of each answer, whoever made it; the page has a
// content policy of its own.
void add_restrictions (HttpResponse &response, bool secure);
// 503
std::string_view last_item (std::string_view list);

// A whole response. Fields of *response* with CR, LF or NUL are left out.
std::string http_response (
    const HttpResponse &response, bool keep_alive, bool head_only);
const char *http_status_text (int status);

// The percent-decoded value of *name* in a query string, the first one; empty
// if absent or malformed.
std::string query_value (std::string_view query, std::string_view name);
// Strict: false for "%" without two hex digits, NUL, and what is not UTF-8.
bool percent_decode (std::string_view text, std::string &out);

} // namespace robotlive::server::net
