// SPDX-License-Identifier: LGPL-2.1-or-later
//
// SrtpSender: makes SRTP of RTP packets, RFC 3711 with the profile
// SRTP_AES128_CM_HMAC_SHA1_80 (RFC 5764 section 4.1.2) and no MKI, by OpenSSL.
// SRTCP is not its business.
//
// Knows no GStreamer. One thread at a time.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <openssl/evp.h>
#include <vector>

namespace robotlive {

// RFC 3711 section 4.3: *size* bytes of AES-CM's key stream that *master*, a
// key of 16 bytes and its salt of 14, gives for *label*. False: OpenSSL failed.
bool srtp_derive (const std::uint8_t *master, std::uint8_t label,
    std::uint8_t *key, std::size_t size);

class SrtpSender
{
public:
  static constexpr std::size_t kMasterSize = 30; // key and salt
  static constexpr std::size_t kTagSize = 10;

  SrtpSender () = default;
  ~SrtpSender ();
  SrtpSender (const SrtpSender &) = delete;
  SrtpSender &operator= (const SrtpSender &) = delete;

  // Before it nothing can be protected, nor after it has failed. The packets'
  // numbers go on over a change of keys (section 3.3.1).
  bool set_master (const std::uint8_t *master, std::size_t size);

  // Encrypts the packet of *size* bytes in place and writes its tag behind
  // it. False when it must not leave: it is no RTP, its number has been used
  // already or cannot be told from such a one, or OpenSSL failed. What is in
  // *packet* then is of no use.
  bool protect (std::uint8_t *packet, std::size_t size);

private:
  struct CipherFree
  {
    void operator() (EVP_CIPHER_CTX *c) const { EVP_CIPHER_CTX_free (c); }
  };
  struct MacFree
  {
    void operator() (EVP_MAC_CTX *m) const { EVP_MAC_CTX_free (m); }
  };
  // What was sent with one SSRC.
  struct Stream
  {
    std::uint32_t ssrc;
    std::uint64_t highest; // index: rollover counter and sequence number
    std::uint64_t sent;    // bit n: highest - n was
  };

  // The packet's index, now taken. False: none that has not been used.
  bool take_index (
      std::uint32_t ssrc, std::uint16_t number, std::uint64_t *index);
  void forget_keys ();

  std::unique_ptr<EVP_CIPHER_CTX, CipherFree> cipher_;
  std::unique_ptr<EVP_MAC_CTX, MacFree> mac_;
  std::array<std::uint8_t, 16> salt_ = {}; // of the session, and two zeros
  std::vector<Stream> streams_;
};

} // namespace robotlive
