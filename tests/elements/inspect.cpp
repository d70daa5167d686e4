// SPDX-License-Identifier: LGPL-2.1-or-later
//
// What gst-inspect-1.0 shows of our elements, and that their pages in docs/ say
// the same.
#include <algorithm>
#include <gst/check/gstcheck.h>
#include <string>
#include <vector>

static std::string
read (const std::string &name)
{
  const std::string path =
      std::string (g_getenv ("ROBOTLIVE_SOURCE_DIR")) + "/docs/" + name;
  g_autofree gchar *text = nullptr;
  fail_unless (g_file_get_contents (path.c_str (), &text, nullptr, nullptr),
      "cannot read %s", path.c_str ());
  return text;
}

static std::string
page_of (const std::string &element)
{
  std::string text = read ("elements/" + element + ".md");
  if (element == "signalingbin")
    text += read ("rate-control.md");
  return text;
}

// The second cells of the rows whose first one names it: its type and default.
static std::vector<std::string>
rows_of (const std::string &text, const std::string &name)
{
  std::vector<std::string> rows;
  for (size_t row = 0; (row = text.find ("\n| `", row)) != text.npos; ++row) {
    const size_t cell = text.find (" | ", row);
    const size_t next = text.find (" | ", cell + 1);
    if (next != text.npos &&
        text.substr (row, cell - row).find ("`" + name + "`") != text.npos)
      rows.push_back (text.substr (cell + 3, next - cell - 3));
  }
  return rows;
}

static std::string
shown (GParamSpec *pspec)
{
  if (G_IS_PARAM_SPEC_STRING (pspec)) {
    const gchar *value = G_PARAM_SPEC_STRING (pspec)->default_value;
    return value ? "\"" + std::string (value) + "\"" : "";
  }
  if (G_IS_PARAM_SPEC_BOOLEAN (pspec))
    return G_PARAM_SPEC_BOOLEAN (pspec)->default_value ? "TRUE" : "FALSE";
  if (G_IS_PARAM_SPEC_UINT (pspec))
    return std::to_string (G_PARAM_SPEC_UINT (pspec)->default_value);
  if (G_IS_PARAM_SPEC_UINT64 (pspec))
    return std::to_string (G_PARAM_SPEC_UINT64 (pspec)->default_value);
  if (!G_IS_PARAM_SPEC_ENUM (pspec))
    return "";
  const GParamSpecEnum *of = G_PARAM_SPEC_ENUM (pspec);
  return "`" +
         std::string (
             g_enum_get_value (of->enum_class, of->default_value)->value_nick) +
         "`";
}

static const gchar *
type_word (GParamSpec *pspec)
{
  if (G_IS_PARAM_SPEC_ENUM (pspec))
    return "";
  if (G_IS_PARAM_SPEC_STRING (pspec))
    return "string";
  if (G_IS_PARAM_SPEC_OBJECT (pspec) || G_IS_PARAM_SPEC_BOXED (pspec))
    return g_type_name (pspec->value_type);
  return G_IS_PARAM_SPEC_UINT64 (pspec) ? "uint64"
         : G_IS_PARAM_SPEC_UINT (pspec) ? "uint"
                                        : "boolean";
}

// Type, and default of what can be set, as in its row.
static void
check_row (const gchar *element, GParamSpec *pspec, const std::string &text)
{
  const bool reads = pspec->flags & G_PARAM_READABLE;
  const bool writes = pspec->flags & G_PARAM_WRITABLE;
  const std::string wanted = !reads    ? "write-only"
                             : !writes ? "read-only"
                                       : shown (pspec);
  const auto has = [&] (const std::string &row) {
    return row.find (type_word (pspec)) != row.npos &&
           row.find (wanted) != row.npos;
  };
  const auto rows = rows_of (text, pspec->name);
  fail_unless (std::any_of (rows.begin (), rows.end (), has),
      "%s:%s is in no table as a %s, %s", element, pspec->name,
      type_word (pspec), wanted.c_str ());
}

static void
check_documented (const std::string &text, const gchar *element,
    const gchar *what, const gchar *name)
{
  fail_unless (text.find ("`" + std::string (name) + "`") != text.npos,
      "%s %s of %s is not on its page", what, name, element);
}

static void
check_property (GstElement *element, GParamSpec *pspec, const std::string &text)
{
  check_row (GST_OBJECT_NAME (gst_element_get_factory (element)), pspec, text);
  const gchar *name = pspec->name;
  const gchar *type = G_OBJECT_TYPE_NAME (element);
  fail_unless (strlen (g_param_spec_get_nick (pspec)) > 1);
  fail_unless (strlen (g_param_spec_get_blurb (pspec)) > 15,
      "%s:%s has no blurb", type, name);
  // gst-inspect-1.0 shows it in one line: the page has the rest.
  fail_unless (!strchr (g_param_spec_get_blurb (pspec), ';') &&
                   strlen (g_param_spec_get_blurb (pspec)) < 100,
      "%s:%s has a blurb of more than one clause", type, name);
  fail_unless (
      (pspec->flags & G_PARAM_STATIC_STRINGS) == G_PARAM_STATIC_STRINGS,
      "%s:%s", type, name);
  const int mutability = GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED |
                         GST_PARAM_MUTABLE_PLAYING;
  if (pspec->flags & G_PARAM_WRITABLE)
    fail_unless (
        pspec->flags & mutability, "%s:%s: when may it be set?", type, name);
  check_documented (text, type, "property", name);
  if (G_IS_PARAM_SPEC_ENUM (pspec)) {
    const GEnumClass *values = G_PARAM_SPEC_ENUM (pspec)->enum_class;
    for (guint i = 0; i < values->n_values; ++i) {
      check_documented (text, type, "value", values->values[i].value_nick);
      fail_unless (strlen (values->values[i].value_name) > 5);
    }
  }

  // A secret is not readable; everything else starts at its default.
  // A structure that is only read has no default.
  if (!(pspec->flags & G_PARAM_READABLE) ||
      (pspec->value_type == GST_TYPE_STRUCTURE &&
          !(pspec->flags & G_PARAM_WRITABLE)))
    return;
  GValue value = G_VALUE_INIT;
  g_value_init (&value, pspec->value_type);
  g_object_get_property (G_OBJECT (element), name, &value);
  fail_unless (g_param_value_defaults (pspec, &value),
      "%s:%s does not start at its default", type, name);
  g_value_unset (&value);
}

static void
check_element (const gchar *factory_name)
{
  GstElement *element = gst_element_factory_make (factory_name, nullptr);
  fail_unless (element != nullptr, "no element %s", factory_name);
  gst_object_ref_sink (element);
  const std::string text = page_of (factory_name);
  const GType type = G_OBJECT_TYPE (element);

  GstElementFactory *factory = gst_element_get_factory (element);
  fail_unless_equals_int (
      gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)),
      GST_RANK_NONE);
  for (const gchar *key :
      {GST_ELEMENT_METADATA_LONGNAME, GST_ELEMENT_METADATA_KLASS,
          GST_ELEMENT_METADATA_DESCRIPTION, GST_ELEMENT_METADATA_AUTHOR})
    fail_unless (gst_element_factory_get_metadata (factory, key) != nullptr);

  guint count = 0;
  g_autofree GParamSpec **specs =
      g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &count);
  for (guint i = 0; i < count; ++i)
    if (specs[i]->owner_type == type)
      check_property (element, specs[i], text);

  g_autofree guint *ids = g_signal_list_ids (type, &count);
  for (guint i = 0; i < count; ++i)
    check_documented (text, factory_name, "signal", g_signal_name (ids[i]));

  gst_object_unref (element);
}

GST_START_TEST (test_sessiongate)
{
  check_element ("sessiongate");
}
GST_END_TEST;

GST_START_TEST (test_signalingbin)
{
  check_element ("signalingbin");
}
GST_END_TEST;

GST_START_TEST (test_rtspcamera)
{
  check_element ("rtspcamera");
}
GST_END_TEST;

GST_START_TEST (test_filecamera)
{
  check_element ("filecamera");
}
GST_END_TEST;

GST_START_TEST (test_plugin)
{
  GstPlugin *plugin =
      gst_registry_find_plugin (gst_registry_get (), "robotlive");
  fail_unless (plugin != nullptr);
  fail_unless_equals_string (gst_plugin_get_license (plugin), "LGPL");
  fail_unless (gst_plugin_get_release_date_string (plugin) != nullptr);
  fail_if (GST_OBJECT_FLAG_IS_SET (plugin, GST_PLUGIN_FLAG_BLACKLISTED));
  gst_object_unref (plugin);
}
GST_END_TEST;

static Suite *
inspect_suite (void)
{
  Suite *suite = suite_create ("inspect");
  TCase *elements = tcase_create ("elements");
  suite_add_tcase (suite, elements);
  tcase_add_test (elements, test_plugin);
  tcase_add_test (elements, test_sessiongate);
  tcase_add_test (elements, test_signalingbin);
  tcase_add_test (elements, test_rtspcamera);
  tcase_add_test (elements, test_filecamera);
  return suite;
}

GST_CHECK_MAIN (inspect);
