// SPDX-License-Identifier: LGPL-2.1-or-later
//
// UdpSender: sends datagrams that are ready together with one system call. What
// the kernel does not take is lost, as on the path: nobody waits.
//
// Not as one message (UDP_SEGMENT), which would save a fifth of a viewer's CPU:
// a queue on the robot before a link that becomes narrow passes that on, or
// loses it, as a whole, and the estimate of the path suffers.
//
// Knows no GStreamer. One thread at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <sys/socket.h>
#include <vector>

namespace robotlive {

class UdpSender
{
public:
  // Where the next datagram of up to *size* bytes is to be written. Valid until
  // the next call.
  std::uint8_t *room (std::size_t size);
  // It is there now, of *size* bytes.
  void add (std::size_t size);
  // As many wait as shall: send ().
  bool full () const { return end_ >= kFull; }

  // Those that wait leave, in their order. *to* is an address of *length*.
  void send (int fd, const sockaddr *to, socklen_t length);

private:
  // Thirteen packets: more hardly save anything, and the room for them stays.
  static constexpr std::size_t kFull = 16384;

  std::size_t send_some (int fd, const sockaddr *to, socklen_t length,
      std::size_t first, std::size_t offset);

  std::vector<std::uint8_t> data_; // one behind another
  std::size_t end_ = 0;
  std::vector<std::size_t> sizes_;
};

} // namespace robotlive
