// SPDX-License-Identifier: LGPL-2.1-or-later
//
//   packetfloor SECONDS
//
// What no sender can go below on this machine: encrypt and authenticate a
// packet of 1180 bytes as SRTP_AES128_CM_HMAC_SHA1_80 does, and hand it to the
// kernel for a socket on loopback. Prints JSON, CPU microseconds a packet:
// packetUs  AES-CTR and HMAC-SHA1 by OpenSSL, sendmmsg of 8
// gsoUs     the same with UDP_SEGMENT, 8 packets a call
// cryptoUs  the cryptography alone
#include <arpa/inet.h>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <netinet/udp.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <stdexcept>
#include <sys/socket.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace {

constexpr std::size_t packet_size = 1180, tag_size = 10, batch = 8;
using Packets =
    std::array<std::array<unsigned char, packet_size + EVP_MAX_MD_SIZE>, batch>;

double
cpu_us ()
{
  timespec t = {};
  clock_gettime (CLOCK_THREAD_CPUTIME_ID, &t);
  return static_cast<double> (t.tv_sec) * 1e6 +
         static_cast<double> (t.tv_nsec) / 1e3;
}

void
must (bool good, const char *what)
{
  if (!good)
    throw std::runtime_error (what);
}

class Srtp
{
public:
  Srtp ()
  {
    std::array<unsigned char, 16> key = {1, 2, 3};
    std::array<unsigned char, 20> mac_key = {4, 5, 6};
    must (EVP_EncryptInit_ex (
              cipher_, EVP_aes_128_ctr (), nullptr, key.data (), nullptr) == 1,
        "no AES");
    EVP_MAC *hmac = EVP_MAC_fetch (nullptr, "HMAC", nullptr);
    mac_ = EVP_MAC_CTX_new (hmac);
    EVP_MAC_free (hmac);
    std::array<char, 5> digest = {"SHA1"};
    const std::array<OSSL_PARAM, 2> parameters = {
        OSSL_PARAM_construct_utf8_string ("digest", digest.data (), 0),
        OSSL_PARAM_construct_end ()};
    must (EVP_MAC_init (
              mac_, mac_key.data (), mac_key.size (), parameters.data ()) == 1,
        "no HMAC");
  }
  ~Srtp ()
  {
    EVP_CIPHER_CTX_free (cipher_);
    EVP_MAC_CTX_free (mac_);
  }
  Srtp (const Srtp &) = delete;
  Srtp &operator= (const Srtp &) = delete;

  void protect (unsigned char *packet)
  {
    std::array<unsigned char, 16> iv = {};
    ++counter_;
    for (unsigned i = 0; i < 8; ++i)
      iv[6 + i] = static_cast<unsigned char> (counter_ >> (8 * (7 - i)));
    int size = 0;
    EVP_EncryptInit_ex (cipher_, nullptr, nullptr, nullptr, iv.data ());
    EVP_EncryptUpdate (
        cipher_, packet + 12, &size, packet + 12, packet_size - 12);
    std::size_t tag = 0;
    EVP_MAC_init (mac_, nullptr, 0, nullptr); // the same key again
    EVP_MAC_update (mac_, packet, packet_size);
    must (
        EVP_MAC_final (mac_, packet + packet_size, &tag, EVP_MAX_MD_SIZE) == 1,
        "HMAC");
  }

private:
  EVP_CIPHER_CTX *cipher_ = EVP_CIPHER_CTX_new ();
  EVP_MAC_CTX *mac_ = nullptr;
  std::uint64_t counter_ = 0;
};

template <typename Work>
double
per_packet (double seconds, Work work)
{
  const double start = cpu_us ();
  double now = start;
  std::uint64_t packets = 0;
  while (now - start < seconds * 1e6) {
    for (int i = 0; i < 100; ++i)
      work ();
    packets += 100 * batch;
    now = cpu_us ();
  }
  return (now - start) / static_cast<double> (packets);
}

int
run (double seconds)
{
  const int in = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  const int out = socket (AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl (INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto *where = reinterpret_cast<sockaddr *> (&address);
  must (bind (in, where, size) == 0 && getsockname (in, where, &size) == 0 &&
            connect (out, where, size) == 0,
      "no socket");
  const timeval wait = {0, 100000};
  setsockopt (in, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  // Somebody reads: a full socket would be cheaper to send to than a viewer.
  std::atomic<bool> running{true};
  std::thread reader ([&] {
    std::array<char, 65536> data = {};
    while (running)
      (void)!read (in, data.data (), data.size ());
  });

  static Packets packets = {};
  Srtp srtp;
  std::array<iovec, batch> parts = {};
  std::array<mmsghdr, batch> messages = {};
  for (std::size_t i = 0; i < batch; ++i) {
    parts[i] = {packets[i].data (), packet_size + tag_size};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  const auto protect_all = [&] {
    for (auto &packet : packets)
      srtp.protect (packet.data ());
  };
  const double crypto = per_packet (seconds, protect_all);
  const double floor = per_packet (seconds, [&] {
    protect_all ();
    must (sendmmsg (out, messages.data (), batch, 0) == batch, "sendmmsg");
  });
  const int segment = packet_size + tag_size;
  must (setsockopt (out, SOL_UDP, UDP_SEGMENT, &segment, sizeof segment) == 0,
      "no UDP_SEGMENT");
  msghdr together = {};
  together.msg_iov = parts.data ();
  together.msg_iovlen = batch;
  const double gso = per_packet (seconds, [&] {
    protect_all ();
    must (sendmsg (out, &together, 0) > 0, "sendmsg");
  });
  running = false;
  reader.join ();
  close (in);
  close (out);
  std::printf ("{\"packetUs\":%.3f,\"gsoUs\":%.3f,\"cryptoUs\":%.3f}\n", floor,
      gso, crypto);
  return 0;
}

} // namespace

int
main (int argc, char **argv)
{
  const double seconds = argc == 2 ? std::atof (argv[1]) : 0;
  if (!(seconds > 0 && seconds <= 60)) {
    std::fprintf (stderr, "usage: packetfloor SECONDS (up to 60)\n");
    return 2;
  }
  try {
    return run (seconds);
  } catch (const std::exception &e) {
    std::fprintf (stderr, "packetfloor: %s\n", e.what ());
    return 1;
  }
}
