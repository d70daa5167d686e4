// SPDX-License-Identifier: LGPL-2.1-or-later
#include "transport/srtpsender.hpp"
#include <algorithm>
#include <cstring>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

namespace robotlive {

namespace {

constexpr std::size_t kKeySize = 16, kSaltSize = 14, kMacKeySize = 20;
constexpr std::size_t kSha1Size = 20;
// RFC 3711 section 4.3.1.
constexpr std::uint8_t kEncryption = 0, kAuthentication = 1, kSalt = 2;
constexpr std::size_t kHeaderSize = 12;
// The counter's share of the key stream's first block is 16 bits of blocks.
constexpr std::size_t kMostSize = 65535;
constexpr std::size_t kMostStreams = 64;
constexpr unsigned kWindow = 64; // bits of Stream::sent
constexpr std::uint64_t kMostIndex = (std::uint64_t (1) << 48) - 1;
constexpr std::int64_t kHalf = 1 << 15;

// Of an RTP packet, what comes before its payload (RFC 3550 sections 5.1,
// 5.3.1); 0: it is none.
std::size_t
header_size (const std::uint8_t *packet, std::size_t size)
{
  if (size < kHeaderSize || packet[0] >> 6 != 2)
    return 0;
  std::size_t header = kHeaderSize + 4u * (packet[0] & 0x0f);
  if (packet[0] & 0x10) {
    if (size < header + 4)
      return 0;
    header += 4 + 4u * (packet[header + 2] << 8 | packet[header + 3]);
  }
  return header <= size ? header : 0;
}

} // namespace

bool
srtp_derive (const std::uint8_t *master, std::uint8_t label, std::uint8_t *key,
    std::size_t size)
{
  std::array<std::uint8_t, 16> iv = {};
  std::copy_n (master + kKeySize, kSaltSize, iv.begin ());
  // There is one set of session keys: the derivation rate is 0.
  iv[7] ^= label;
  std::memset (key, 0, size);
  EVP_CIPHER_CTX *cipher = EVP_CIPHER_CTX_new ();
  int written = 0;
  const bool done = cipher &&
                    EVP_EncryptInit_ex (cipher, EVP_aes_128_ctr (), nullptr,
                        master, iv.data ()) == 1 &&
                    EVP_EncryptUpdate (cipher, key, &written, key,
                        static_cast<int> (size)) == 1 &&
                    written == static_cast<int> (size);
  EVP_CIPHER_CTX_free (cipher);
  OPENSSL_cleanse (iv.data (), iv.size ());
  return done;
}

SrtpSender::~SrtpSender ()
{
  forget_keys ();
}

void
SrtpSender::forget_keys ()
{
  // OpenSSL wipes what it holds.
  cipher_.reset ();
  mac_.reset ();
  OPENSSL_cleanse (salt_.data (), salt_.size ());
}

bool
SrtpSender::set_master (const std::uint8_t *master, std::size_t size)
{
  forget_keys ();
  if (size != kMasterSize)
    return false;
  std::array<std::uint8_t, kKeySize> key;
  std::array<std::uint8_t, kMacKeySize> mac_key;
  cipher_.reset (EVP_CIPHER_CTX_new ());
  EVP_MAC *hmac = EVP_MAC_fetch (nullptr, "HMAC", nullptr);
  if (hmac)
    mac_.reset (EVP_MAC_CTX_new (hmac));
  EVP_MAC_free (hmac);
  std::array<char, 5> digest = {"SHA1"};
  const std::array<OSSL_PARAM, 2> parameters = {
      OSSL_PARAM_construct_utf8_string (
          OSSL_MAC_PARAM_DIGEST, digest.data (), 0),
      OSSL_PARAM_construct_end ()};
  const bool done =
      cipher_ && mac_ &&
      srtp_derive (master, kEncryption, key.data (), key.size ()) &&
      srtp_derive (master, kAuthentication, mac_key.data (), mac_key.size ()) &&
      srtp_derive (master, kSalt, salt_.data (), kSaltSize) &&
      EVP_EncryptInit_ex (cipher_.get (), EVP_aes_128_ctr (), nullptr,
          key.data (), nullptr) == 1 &&
      EVP_MAC_init (mac_.get (), mac_key.data (), mac_key.size (),
          parameters.data ()) == 1 &&
      EVP_MAC_CTX_get_mac_size (mac_.get ()) == kSha1Size;
  OPENSSL_cleanse (key.data (), key.size ());
  OPENSSL_cleanse (mac_key.data (), mac_key.size ());
  if (!done)
    forget_keys ();
  return done;
}

bool
SrtpSender::take_index (
    std::uint32_t ssrc, std::uint16_t number, std::uint64_t *index)
{
  const auto stream = std::find_if (streams_.begin (), streams_.end (),
      [ssrc] (const Stream &s) { return s.ssrc == ssrc; });
  if (stream == streams_.end ()) {
    if (streams_.size () == kMostStreams)
      return false;
    streams_.push_back ({ssrc, number, 1});
    *index = number;
    return true;
  }
  // RFC 3711 section 3.3.1: the number that is nearest to the highest.
  std::int64_t ahead =
      std::int64_t (number) - std::int64_t (stream->highest & 0xffff);
  if (ahead > kHalf)
    ahead -= 2 * kHalf;
  else if (ahead < -kHalf)
    ahead += 2 * kHalf;
  const std::int64_t found =
      static_cast<std::int64_t> (stream->highest) + ahead;
  // Of two packets with one index each betrays the other.
  if (found < 0 || found > static_cast<std::int64_t> (kMostIndex))
    return false;
  if (ahead > 0) {
    stream->sent = ahead < kWindow ? stream->sent << ahead | 1 : 1;
    stream->highest = static_cast<std::uint64_t> (found);
  } else {
    if (-ahead >= kWindow || stream->sent >> -ahead & 1)
      return false;
    stream->sent |= std::uint64_t (1) << -ahead;
  }
  *index = static_cast<std::uint64_t> (found);
  return true;
}

bool
SrtpSender::protect (std::uint8_t *packet, std::size_t size)
{
  const std::size_t header = header_size (packet, size);
  if (!mac_ || header == 0 || size > kMostSize)
    return false;
  const auto ssrc = std::uint32_t (packet[8]) << 24 |
                    std::uint32_t (packet[9]) << 16 |
                    std::uint32_t (packet[10]) << 8 | packet[11];
  std::uint64_t index = 0;
  if (!take_index (ssrc,
          static_cast<std::uint16_t> (packet[2] << 8 | packet[3]), &index))
    return false;

  // Section 4.1.1.
  std::array<std::uint8_t, 16> iv = salt_;
  for (unsigned i = 0; i < 4; i++)
    iv[4 + i] ^= packet[8 + i];
  for (unsigned i = 0; i < 6; i++)
    iv[8 + i] ^= static_cast<std::uint8_t> (index >> (40 - 8 * i));
  const int length = static_cast<int> (size - header);
  int written = 0;
  if (EVP_EncryptInit_ex (
          cipher_.get (), nullptr, nullptr, nullptr, iv.data ()) != 1)
    return false;
  if (length > 0 && (EVP_EncryptUpdate (cipher_.get (), packet + header,
                         &written, packet + header, length) != 1 ||
                        written != length))
    return false;

  // Section 4.2: of the packet and the rollover counter, shortened.
  std::array<std::uint8_t, 4> roc;
  for (unsigned i = 0; i < 4; i++)
    roc[i] = static_cast<std::uint8_t> (index >> (40 - 8 * i));
  std::array<std::uint8_t, kSha1Size> tag;
  std::size_t tag_size = 0;
  // The same key again.
  if (EVP_MAC_init (mac_.get (), nullptr, 0, nullptr) != 1 ||
      EVP_MAC_update (mac_.get (), packet, size) != 1 ||
      EVP_MAC_update (mac_.get (), roc.data (), roc.size ()) != 1 ||
      EVP_MAC_final (mac_.get (), tag.data (), &tag_size, tag.size ()) != 1 ||
      tag_size != tag.size ())
    return false;
  std::copy_n (tag.begin (), kTagSize, packet + size);
  return true;
}

} // namespace robotlive
