// SPDX-License-Identifier: LGPL-2.1-or-later
//
// IcePath: where a webrtcbin's packets go, for those who send them without
// libnice: a UDP socket of this machine and the peer's address. One thread at a
// time.
#pragma once
#include "base/glibptr.hpp"
#include <gio/gio.h>
#include <gst/gst.h>
#include <sys/socket.h>

namespace robotlive {

class IcePath
{
public:
  IcePath () = default;
  ~IcePath ();
  IcePath (const IcePath &) = delete;
  IcePath &operator= (const IcePath &) = delete;

  // *encrypter*: an srtpenc, beside which webrtcbin has a nicesink. May be
  // called once all of that is there.
  void find (GstElement *encrypter);
  // As libnice has selected it just now. False: it has not, the peer does not
  // consent any more, or the path leads through a relay or a TCP connection,
  // which is libnice's business.
  bool look ();

  // What look () found.
  int fd () const { return fd_; }
  const sockaddr *address () const
  {
    return reinterpret_cast<const sockaddr *> (&address_);
  }
  socklen_t address_length () const { return length_; }

private:
  void use (GPtr<GSocket> socket);

  GPtr<GObject> agent_;
  guint stream_ = 0, component_ = 0;
  GPtr<GSocket> socket_;
  int fd_ = -1;
  sockaddr_storage address_ = {};
  socklen_t length_ = 0;
};

} // namespace robotlive
