// SPDX-License-Identifier: LGPL-2.1-or-later
#include "base/pasted.hpp"
#include "grant/keymaterial.hpp"
#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <simdjson.h>

namespace robotlive {

namespace {

constexpr std::size_t kMaxKeyText = 64 * 1024;
constexpr std::size_t kMinSecret = 32;
constexpr std::size_t kMaxSecret = 4096;
constexpr int kMinRsaBits = 2048; // RFC 7518 section 3.3
constexpr int kMaxRsaBits = 16384;

template <auto Free> struct Freed
{
  template <typename T> void operator() (T *object) const { Free (object); }
};
using PkeyPtr = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using PkeyCtxPtr = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using BioPtr = std::unique_ptr<BIO, Freed<BIO_free_all>>;
using NumberPtr = std::unique_ptr<BIGNUM, Freed<BN_clear_free>>;
using BuilderPtr = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using ParamsPtr = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;

// Nobody is there to type a passphrase: without this OpenSSL asks the terminal.
int
no_passphrase (char *, int, int, void *)
{
  return -1;
}

std::string
bio_text (BIO *bio)
{
  char *data = nullptr;
  const long size = BIO_get_mem_data (bio, &data);
  return size > 0 ? std::string (data, static_cast<std::size_t> (size)) : "";
}

std::string
number_bytes (EVP_PKEY *pkey, const char *name, int width)
{
  BIGNUM *raw = nullptr;
  if (EVP_PKEY_get_bn_param (pkey, name, &raw) != 1)
    return "";
  NumberPtr number (raw);
  const int size = width ? width : BN_num_bytes (raw);
  std::string bytes (static_cast<std::size_t> (size), '\0');
  if (BN_bn2binpad (
          raw, reinterpret_cast<unsigned char *> (bytes.data ()), size) != size)
    return "";
  return bytes;
}

// The members that RFC 7638 section 3.2 names, in its order.
std::string
required_members (EVP_PKEY *pkey, KeyAlgorithm algorithm)
{
  if (algorithm == KeyAlgorithm::RS256)
    return "\"e\":\"" +
           base64url_encode (number_bytes (pkey, OSSL_PKEY_PARAM_RSA_E, 0)) +
           R"(","kty":"RSA","n":")" +
           base64url_encode (number_bytes (pkey, OSSL_PKEY_PARAM_RSA_N, 0)) +
           "\"";
  return R"("crv":"P-256","kty":"EC","x":")" +
         base64url_encode (number_bytes (pkey, OSSL_PKEY_PARAM_EC_PUB_X, 32)) +
         R"(","y":")" +
         base64url_encode (number_bytes (pkey, OSSL_PKEY_PARAM_EC_PUB_Y, 32)) +
         "\"";
}

std::string
thumbprint (const std::string &members)
{
  const std::string json = "{" + members + "}";
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256 (reinterpret_cast<const unsigned char *> (json.data ()), json.size (),
      digest);
  return base64url_encode (
      {reinterpret_cast<const char *> (digest), sizeof digest});
}

// The algorithm that a key of this type and strength is for.
std::optional<KeyAlgorithm>
algorithm_of (EVP_PKEY *pkey, std::string *error)
{
  if (EVP_PKEY_get_base_id (pkey) == EVP_PKEY_EC) {
    char group[64] = "";
    EVP_PKEY_get_group_name (pkey, group, sizeof group, nullptr);
    const std::string_view name = group;
    if (name == "prime256v1" || name == "P-256")
      return KeyAlgorithm::ES256;
    *error = "The EC key is not on the curve P-256.";
    return std::nullopt;
  }
  if (EVP_PKEY_get_base_id (pkey) == EVP_PKEY_RSA) {
    const int bits = EVP_PKEY_get_bits (pkey);
    if (bits >= kMinRsaBits && bits <= kMaxRsaBits)
      return KeyAlgorithm::RS256;
    *error = "The RSA key must have 2048 to 16384 bits.";
    return std::nullopt;
  }
  *error = "The key is neither an EC nor an RSA key.";
  return std::nullopt;
}

struct JwkFields
{
  simdjson::dom::object object;

  std::string_view text (const char *name) const
  {
    std::string_view value;
    if (object.at_key (name).get_string ().get (value))
      return {};
    return value;
  }
  bool has (const char *name) const
  {
    return object.at_key (name).error () == simdjson::SUCCESS;
  }
  std::string bytes (const char *name) const
  {
    return base64url_decode (text (name)).value_or ("");
  }
};

NumberPtr
to_number (const std::string &bytes)
{
  return NumberPtr (
      BN_bin2bn (reinterpret_cast<const unsigned char *> (bytes.data ()),
          static_cast<int> (bytes.size ()), nullptr));
}

PkeyPtr
key_from_params (const char *type, int selection, OSSL_PARAM_BLD *builder)
{
  ParamsPtr params (OSSL_PARAM_BLD_to_param (builder));
  PkeyCtxPtr context (EVP_PKEY_CTX_new_from_name (nullptr, type, nullptr));
  EVP_PKEY *raw = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init (context.get ()) != 1 ||
      EVP_PKEY_fromdata (context.get (), &raw, selection, params.get ()) != 1)
    return nullptr;
  PkeyPtr pkey (raw);
  // A point off the curve, a private key that is not the public one's.
  PkeyCtxPtr check (EVP_PKEY_CTX_new_from_pkey (nullptr, raw, nullptr));
  if (!check || EVP_PKEY_public_check (check.get ()) != 1)
    return nullptr;
  if (selection == EVP_PKEY_KEYPAIR &&
      EVP_PKEY_pairwise_check (check.get ()) != 1)
    return nullptr;
  return pkey;
}

PkeyPtr
ec_from_jwk (const JwkFields &jwk)
{
  const std::string x = jwk.bytes ("x"), y = jwk.bytes ("y");
  if (jwk.text ("crv") != "P-256" || x.size () != 32 || y.size () != 32)
    return nullptr;
  const std::string point = "\x04" + x + y; // uncompressed, SEC 1 section 2.3.3
  BuilderPtr builder (OSSL_PARAM_BLD_new ());
  OSSL_PARAM_BLD_push_utf8_string (
      builder.get (), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0);
  OSSL_PARAM_BLD_push_octet_string (
      builder.get (), OSSL_PKEY_PARAM_PUB_KEY, point.data (), point.size ());
  if (!jwk.has ("d"))
    return key_from_params ("EC", EVP_PKEY_PUBLIC_KEY, builder.get ());
  const std::string d = jwk.bytes ("d");
  if (d.size () != 32)
    return nullptr;
  const NumberPtr number = to_number (d);
  OSSL_PARAM_BLD_push_BN (
      builder.get (), OSSL_PKEY_PARAM_PRIV_KEY, number.get ());
  return key_from_params ("EC", EVP_PKEY_KEYPAIR, builder.get ());
}

// The public half alone: nobody signs with an RSA JWK here.
PkeyPtr
rsa_from_jwk (const JwkFields &jwk)
{
  const std::string n = jwk.bytes ("n"), e = jwk.bytes ("e");
  if (n.empty () || n.size () > kMaxRsaBits / 8 || e.empty () || e.size () > 8)
    return nullptr;
  const NumberPtr modulus = to_number (n), exponent = to_number (e);
  BuilderPtr builder (OSSL_PARAM_BLD_new ());
  OSSL_PARAM_BLD_push_BN (
      builder.get (), OSSL_PKEY_PARAM_RSA_N, modulus.get ());
  OSSL_PARAM_BLD_push_BN (
      builder.get (), OSSL_PKEY_PARAM_RSA_E, exponent.get ());
  return key_from_params ("RSA", EVP_PKEY_PUBLIC_KEY, builder.get ());
}

PkeyPtr
key_from_pem (std::string_view text)
{
  const auto open = [&text] {
    return BioPtr (
        BIO_new_mem_buf (text.data (), static_cast<int> (text.size ())));
  };
  BioPtr bio = open ();
  if (EVP_PKEY *pkey =
          PEM_read_bio_PrivateKey (bio.get (), nullptr, no_passphrase, nullptr))
    return PkeyPtr (pkey);
  bio = open ();
  return PkeyPtr (
      PEM_read_bio_PUBKEY (bio.get (), nullptr, no_passphrase, nullptr));
}

bool
is_private (EVP_PKEY *pkey)
{
  BIGNUM *raw = nullptr;
  const char *name = EVP_PKEY_get_base_id (pkey) == EVP_PKEY_RSA
                         ? OSSL_PKEY_PARAM_RSA_D
                         : OSSL_PKEY_PARAM_PRIV_KEY;
  const bool found = EVP_PKEY_get_bn_param (pkey, name, &raw) == 1;
  NumberPtr number (raw);
  return found;
}

template <typename Material>
std::shared_ptr<const Material>
material_of (EVP_PKEY *pkey, std::string *error)
{
  const auto algorithm = algorithm_of (pkey, error);
  if (!algorithm)
    return nullptr;
  auto material = std::make_shared<Material> ();
  material->algorithm = *algorithm;
  BioPtr bio (BIO_new (BIO_s_mem ()));
  PEM_write_bio_PUBKEY (bio.get (), pkey);
  material->public_pem = bio_text (bio.get ());
  if (is_private (pkey)) {
    bio.reset (BIO_new (BIO_s_secmem ()));
    PEM_write_bio_PKCS8PrivateKey (
        bio.get (), pkey, nullptr, nullptr, 0, nullptr, nullptr);
    material->private_pem = bio_text (bio.get ());
  }
  const std::string members = required_members (pkey, *algorithm);
  material->key_id = thumbprint (members);
  material->public_jwk =
      "{" + members + R"(,"alg":")" +
      (*algorithm == KeyAlgorithm::RS256 ? "RS256" : "ES256") +
      R"(","use":"sig","kid":")" + material->key_id + "\"}";
  return material;
}

template <typename Material>
std::shared_ptr<const Material>
material_of_secret (std::string_view secret)
{
  if (secret.size () < kMinSecret || secret.size () > kMaxSecret)
    return nullptr;
  auto material = std::make_shared<Material> ();
  material->algorithm = KeyAlgorithm::HS256;
  material->secret = secret;
  return material;
}

template <typename Material>
std::shared_ptr<const Material>
material_of_jwk (const JwkFields &jwk, std::string *error)
{
  const std::string_view type = jwk.text ("kty"), algorithm = jwk.text ("alg");
  *error = "The JWK has no usable signature key (EC P-256, RSA or oct).";
  if (jwk.has ("use") && jwk.text ("use") != "sig")
    return nullptr;
  const char *expected = type == "EC"    ? "ES256"
                         : type == "RSA" ? "RS256"
                                         : "HS256";
  if (jwk.has ("alg") && algorithm != expected)
    return nullptr;
  if (type == "oct")
    return material_of_secret<Material> (jwk.bytes ("k"));
  PkeyPtr pkey;
  if (type == "EC")
    pkey = ec_from_jwk (jwk);
  else if (type == "RSA")
    pkey = rsa_from_jwk (jwk);
  return pkey ? material_of<Material> (pkey.get (), error) : nullptr;
}

template <typename Material>
std::shared_ptr<const Material>
material_of_json (std::string_view text, std::string *error)
{
  simdjson::dom::parser parser;
  JwkFields jwk;
  if (parser.allocate (text.size () + 1, 16) ||
      parser.parse (simdjson::padded_string (text))
          .get_object ()
          .get (jwk.object)) {
    *error = "The key is not a JSON object.";
    return nullptr;
  }
  simdjson::dom::array keys;
  if (jwk.object.at_key ("keys").get_array ().get (keys))
    return material_of_jwk<Material> (jwk, error);
  for (simdjson::dom::element key : keys) {
    JwkFields fields;
    if (key.get_object ().get (fields.object))
      continue;
    if (auto material = material_of_jwk<Material> (fields, error))
      return material;
  }
  *error = "The JWK set has no usable signature key.";
  return nullptr;
}

} // namespace

JwtKey::Material::~Material ()
{
  OPENSSL_cleanse (secret.data (), secret.size ());
  OPENSSL_cleanse (private_pem.data (), private_pem.size ());
}

JwtKey::JwtKey (std::shared_ptr<const Material> material)
    : material_ (std::move (material))
{
}

std::optional<JwtKey>
JwtKey::parse (std::string_view text, std::string *error)
{
  std::string ignored;
  std::string &why = error ? *error : ignored;
  text = without_mark (text);
  const auto start = text.find_first_not_of (" \t\r\n");
  if (start == text.npos || text.size () > kMaxKeyText) {
    why = "The key is empty or longer than 64 KiB.";
    return std::nullopt;
  }
  std::shared_ptr<const Material> material;
  if (text[start] == '{') {
    material = material_of_json<Material> (text, &why);
  } else if (const PkeyPtr pkey = key_from_pem (text)) {
    material = material_of<Material> (pkey.get (), &why);
  } else {
    why = "The key is neither an unencrypted PEM key nor a JWK.";
  }
  ERR_clear_error (); // a refused key must not show up in another's TLS error
  if (!material)
    return std::nullopt;
  why.clear ();
  return JwtKey (std::move (material));
}

std::optional<JwtKey>
JwtKey::from_secret (std::string_view secret)
{
  auto material = material_of_secret<Material> (secret);
  if (!material)
    return std::nullopt;
  return JwtKey (std::move (material));
}

JwtKey
JwtKey::generate_es256 ()
{
  const PkeyPtr pkey (EVP_PKEY_Q_keygen (nullptr, nullptr, "EC", "P-256"));
  std::string error;
  auto material = pkey ? material_of<Material> (pkey.get (), &error) : nullptr;
  // No randomness or no memory: an empty key that can neither sign nor check.
  return JwtKey (
      material ? std::move (material) : std::make_shared<const Material> ());
}

KeyAlgorithm
JwtKey::algorithm () const
{
  return material_->algorithm;
}

bool
JwtKey::can_sign () const
{
  return !material_->secret.empty () || !material_->private_pem.empty ();
}

std::string
JwtKey::public_pem () const
{
  return material_->public_pem;
}

std::string
JwtKey::private_pem () const
{
  return material_->private_pem;
}

std::string
JwtKey::public_jwk () const
{
  return material_->public_jwk;
}

std::string
JwtKey::key_id () const
{
  return material_->key_id;
}

std::string
base64url_encode (std::string_view bytes)
{
  std::string text ((bytes.size () + 2) / 3 * 4 + 1, '\0');
  const int size =
      EVP_EncodeBlock (reinterpret_cast<unsigned char *> (text.data ()),
          reinterpret_cast<const unsigned char *> (bytes.data ()),
          static_cast<int> (bytes.size ()));
  text.resize (static_cast<std::size_t> (size));
  while (!text.empty () && text.back () == '=')
    text.pop_back ();
  for (char &c : text)
    c = c == '+' ? '-' : c == '/' ? '_' : c;
  return text;
}

std::optional<std::string>
base64url_decode (std::string_view text)
{
  if (text.size () % 4 == 1 || text.size () > kMaxKeyText)
    return std::nullopt;
  std::string padded (text);
  for (char &c : padded) {
    const bool ok = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    (c >= '0' && c <= '9') || c == '-' || c == '_';
    if (!ok)
      return std::nullopt;
    c = c == '-' ? '+' : c == '_' ? '/' : c;
  }
  const std::size_t padding = (4 - padded.size () % 4) % 4;
  padded.append (padding, '=');
  std::string bytes (padded.size () / 4 * 3, '\0');
  if (EVP_DecodeBlock (reinterpret_cast<unsigned char *> (bytes.data ()),
          reinterpret_cast<const unsigned char *> (padded.data ()),
          static_cast<int> (padded.size ())) < 0)
    return std::nullopt;
  bytes.resize (bytes.size () - padding);
  return bytes;
}

} // namespace robotlive
