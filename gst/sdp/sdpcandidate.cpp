// SPDX-License-Identifier: LGPL-2.1-or-later
//
// The guard's part for ICE candidates and certificates.
#include "sdp/sdpguard.hpp"
#include "sdp/sdptext.hpp"
#include <algorithm>
#include <memory>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

namespace robotlive {

CandidateVerdict
guard_candidate (std::string_view text)
{
  // RFC 8839 section 5.1: candidate:foundation component transport priority
  // address port "typ" type, then pairs of extensions.
  if (text.size () > kMaxCandidateBytes)
    return CandidateVerdict::Refuse;
  if (text.substr (0, 2) == "a=")
    text.remove_prefix (2);
  if (text.substr (0, 10) != "candidate:")
    return CandidateVerdict::Refuse;
  text.remove_prefix (10);
  using Text = std::string_view;
  std::vector<Text> words;
  while (!text.empty ()) {
    const auto end = text.find (' ');
    words.push_back (text.substr (0, end));
    text.remove_prefix (end == Text::npos ? text.size () : end + 1);
  }
  const auto number = [] (Text word, unsigned max, unsigned *out) {
    guint64 value = 0;
    const std::string copy (word);
    if (copy.empty () || copy.size () > 10 ||
        !g_ascii_string_to_unsigned (
            copy.c_str (), 10, 0, max, &value, nullptr))
      return false;
    *out = static_cast<unsigned> (value);
    return true;
  };
  unsigned component = 0, priority = 0, port = 0;
  if (words.size () < 8 || words.size () > 40 ||
      !is_ice_string (words[0], 1, 32) || !number (words[1], 256, &component) ||
      component < 1 || !number (words[3], G_MAXUINT32, &priority) ||
      !number (words[5], 65535, &port) || words[6] != "typ")
    return CandidateVerdict::Refuse;
  for (const auto &word : words)
    if (word.empty () || !std::all_of (word.begin (), word.end (),
                             [] (char c) { return g_ascii_isgraph (c); }))
      return CandidateVerdict::Refuse;
  const Text type = words[7];
  if (type != "host" && type != "srflx" && type != "prflx" && type != "relay")
    return CandidateVerdict::Refuse;

  const std::string address (words[4]);
  if (address.size () > 253)
    return CandidateVerdict::Refuse;
  // A name would be looked up in the robot's network on a stranger's word.
  // The names that browsers hide addresses behind (mDNS) stay on the link.
  const bool literal = g_hostname_is_ip_address (address.c_str ());
  const bool mdns = g_str_has_suffix (address.c_str (), ".local");
  if (!literal && !mdns)
    return CandidateVerdict::Ignore;
  const std::string transport (words[2]);
  if (g_ascii_strcasecmp (transport.c_str (), "udp") != 0)
    return CandidateVerdict::Ignore;
  if (port == 0 || component != 1)
    return CandidateVerdict::Ignore;
  return CandidateVerdict::Pass;
}

namespace {

// The fifth word of *text*: where it begins, and how long it is.
std::pair<std::size_t, std::size_t>
address_in (std::string_view text)
{
  std::size_t at = 0;
  for (int i = 0; i < 4; i++) {
    at = text.find (' ', at);
    if (at == text.npos)
      return {text.size (), 0};
    at++;
  }
  return {at, std::min (text.find (' ', at), text.size ()) - at};
}

} // namespace

std::string
candidate_name (std::string_view candidate)
{
  const auto [at, length] = address_in (candidate);
  const std::string address (candidate.substr (at, length));
  return g_str_has_suffix (address.c_str (), ".local") ? address : "";
}

std::string
with_address (std::string_view candidate, const std::string &address)
{
  const auto [at, length] = address_in (candidate);
  return std::string (candidate.substr (0, at)) + address +
         std::string (candidate.substr (at + length));
}

bool
certificate_matches (const std::string &pem, const GuardedOffer &offer)
{
  const std::unique_ptr<BIO, int (*) (BIO *)> bio (
      BIO_new_mem_buf (pem.data (), static_cast<int> (pem.size ())), BIO_free);
  if (!bio)
    return false;
  const std::unique_ptr<X509, void (*) (X509 *)> certificate (
      PEM_read_bio_X509 (bio.get (), nullptr, nullptr, nullptr), X509_free);
  Sha256Digest digest;
  unsigned size = 0;
  if (!certificate ||
      X509_digest (certificate.get (), EVP_sha256 (), digest.data (), &size) !=
          1 ||
      size != digest.size ())
    return false;
  return std::find (offer.fingerprints.begin (), offer.fingerprints.end (),
             digest) != offer.fingerprints.end ();
}

} // namespace robotlive
