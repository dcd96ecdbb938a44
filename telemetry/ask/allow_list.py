"""Everything a question may use: one list per kind of thing, and nothing that is not on a list.

The words are DuckDB's own, as `json_serialize_sql` of the pinned version writes them. A new DuckDB
may write other shapes; those are then refused, and the tests say which. The shapes of the tree
stand in tree_shapes.py.
"""


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


# --- the text ---------------------------------------------------------------------------------
MAX_CHARACTERS = 10_000
# Elements of the parse tree; a page-long analytic query has about 500.
MAX_NODES = 6_000
# Joins in one statement; the plan of many takes longer than the answer of a few.
MAX_JOINS = 50
# Comments inside comments take a parser quadratic time.
MAX_COMMENTS = 50
# Each may name tens of thousands of sets.
MAX_CUBES = 10

# --- sizes ------------------------------------------------------------------------------------
# One call of these functions can ask for any amount of memory at once, which neither DuckDB's
# memory limit nor an interrupt stops.
MAX_TEXT = 1_000
MAX_LIST = 10_000
MAX_ROWS = 100_000
MAX_ARRAY = 1_000

# --- in FROM, beside the tables of the mirror ---------------------------------------------------
TABLE_FUNCTIONS = frozenset({"range", "generate_series", "unnest"})

# --- expressions --------------------------------------------------------------------------------
OPERATORS = _names(
    "OPERATOR_NOT OPERATOR_IS_NULL OPERATOR_IS_NOT_NULL OPERATOR_COALESCE OPERATOR_NULLIF "
    "OPERATOR_TRY OPERATOR_UNPACK COMPARE_IN COMPARE_NOT_IN ARRAY_EXTRACT ARRAY_SLICE "
    "STRUCT_EXTRACT ARRAY_CONSTRUCTOR GROUPING_FUNCTION ARROW"
)
TYPES = _names(
    "BOOLEAN TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT "
    "FLOAT DOUBLE DECIMAL BIGNUM VARCHAR CHAR BLOB BIT UUID DATE TIME TIMESTAMP INTERVAL LIST "
    "STRUCT MAP ARRAY UNION ENUM NULL UNBOUND TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS TIME_NS"
) | {"TIMESTAMP WITH TIME ZONE", "TIME WITH TIME ZONE"}
# Type names that the parser leaves to the catalogue.
NAMED_TYPES = frozenset({"enum", "json", "decimal", "numeric", "varchar", "char", "bit"})
# Read as functions when no column has the name: facts about the server, not about usage.
SERVER_NAMES = _names(
    "current_catalog current_database current_query current_role current_schema current_user "
    "session_user user"
)

# --- functions ----------------------------------------------------------------------------------
_SIGNS = "+ - * / // % ** ^ & | << >> ~ || = ! !__postfix @ ^@ && @> <@ <-> <=> -> ->>"
_MATCHING = """
    ~~ !~~ ~~* !~~* ~~~ like_escape not_like_escape ilike_escape not_ilike_escape
    regexp_matches regexp_full_match regexp_extract regexp_extract_all regexp_replace
    regexp_split_to_array regexp_split_to_table regexp_escape string_split_regex str_split_regex
    contains prefix suffix starts_with ends_with instr position strpos
    levenshtein editdist3 damerau_levenshtein hamming mismatches jaccard jaro_similarity
    jaro_winkler_similarity
"""
_TEXT = """
    ascii bar base64 bin bit_length char_length character_length chr concat concat_ws encode decode
    format printf format_bytes formatreadablesize formatreadabledecimalsize pg_size_pretty
    parse_formatted_bytes from_base64 to_base64 from_hex to_hex from_binary to_binary hex unhex
    unbin to_base hash md5 md5_number md5_number_lower md5_number_upper sha1 sha256 lcase ucase
    lower upper left right left_grapheme right_grapheme len length length_grapheme strlen
    octet_length lpad rpad ltrim rtrim trim nfc_normalize ord unicode repeat replace reverse
    split split_part str_split string_split string_to_array strip_accents substr substring
    substring_grapheme translate url_encode url_decode parse_dirname parse_dirpath parse_filename
    parse_path bitstring bit_count bit_position get_bit set_bit
"""
_NUMBERS = """
    abs acos acosh add asin asinh atan atan2 atanh cbrt ceil ceiling cos cosh cot degrees divide
    even exp factorial fdiv floor fmod gamma gcd greatest greatest_common_divisor isfinite isinf
    isnan lcm least least_common_multiple lgamma ln log log10 log2 mod multiply nextafter pi pow
    power radians random round round_even roundbankers sign signbit sin sinh sqrt subtract tan tanh
    trunc xor
"""
_TIMES = """
    age ago century current_date current_localtime current_localtimestamp date_add date_diff
    date_part date_sub date_trunc datediff datepart datesub datetrunc day dayname dayofmonth
    dayofweek dayofyear days_in_month decade epoch epoch_ms epoch_ns epoch_us era
    get_current_time get_current_timestamp hour isodow isoyear julian last_day make_date make_time
    make_timestamp make_timestamp_ms make_timestamp_ns make_timestamptz microsecond millennium
    millisecond minute month monthname nanosecond normalized_interval now quarter second strftime
    strptime try_strptime time_bucket timezone timezone_hour timezone_minute to_centuries to_days
    to_decades to_hours to_microseconds to_millennia to_milliseconds to_minutes to_months
    to_quarters to_seconds to_timestamp to_weeks to_years today transaction_timestamp week weekday
    weekofyear year yearweek
"""
_CHOICE = """
    alias can_cast_implicitly coalesce constant_or_null error_free if ifnull nullif typeof pg_typeof
    gen_random_uuid uuid uuidv4 uuidv7 uuid_extract_timestamp uuid_extract_version
"""
_LISTS = """
    aggregate apply array_aggr array_aggregate array_append array_apply array_cat array_concat
    array_contains array_cosine_distance array_cosine_similarity array_cross_product array_distance
    array_distinct array_dot_product array_extract array_filter array_grade_up array_has
    array_has_all array_has_any array_indexof array_inner_product array_intersect array_length
    array_negative_dot_product array_negative_inner_product array_pop_back array_pop_front
    array_position array_prepend array_push_back array_push_front array_reduce array_resize
    array_reverse array_reverse_sort array_select array_slice array_sort array_to_string
    array_to_string_comma_default array_transform array_unique array_value array_where array_zip
    cardinality element_at equi_width_bins filter flatten generate_series generate_subscripts
    grade_up list_aggr list_aggregate list_any_value list_append list_apply
    list_approx_count_distinct list_avg list_bit_and list_bit_or list_bit_xor list_bool_and
    list_bool_or list_cat list_concat list_contains list_cosine_distance list_cosine_similarity
    list_count list_distance list_distinct list_dot_product list_element list_entropy list_extract
    list_filter list_first list_grade_up list_has list_has_all list_has_any list_histogram
    list_indexof list_inner_product list_intersect list_kurtosis list_kurtosis_pop list_last
    list_mad list_max list_median list_min list_mode list_negative_dot_product
    list_negative_inner_product list_pack list_position list_prepend list_product list_reduce
    list_resize list_reverse list_reverse_sort list_select list_sem list_skewness list_slice
    list_sort list_stddev_pop list_stddev_samp list_string_agg list_sum list_transform list_unique
    list_value list_var_pop list_var_samp list_where list_zip range reduce unnest unpivot_list
"""
_STRUCTS = """
    map map_concat map_contains map_contains_entry map_contains_value map_entries map_extract
    map_extract_value map_from_entries map_keys map_values row struct_concat struct_contains
    struct_extract struct_extract_at struct_has struct_indexof struct_insert struct_keys
    struct_pack struct_position struct_update struct_values union_extract union_tag union_value
"""
_JSON = """
    array_to_json from_json from_json_strict json json_array json_array_length json_contains
    json_exists json_extract json_extract_path json_extract_path_text json_extract_string
    json_group_array json_group_object json_group_structure json_keys json_merge_patch json_object
    json_pretty json_quote json_structure json_transform json_transform_strict json_type json_valid
    json_value row_to_json to_json
"""
_AGGREGATES = """
    any_value approx_count_distinct approx_quantile approx_top_k arbitrary arg_max arg_max_null
    arg_max_nulls_last arg_min arg_min_null arg_min_nulls_last argmax argmin array_agg avg bit_and
    bit_or bit_xor bitstring_agg bool_and bool_or corr count count_if count_star countif covar_pop
    covar_samp entropy favg first fsum geomean geometric_mean group_concat grouping grouping_id
    histogram histogram_exact kahan_sum kurtosis kurtosis_pop last list listagg mad max max_by mean
    median min min_by mode percentile_cont percentile_disc product quantile quantile_cont
    quantile_disc regr_avgx regr_avgy regr_count regr_intercept regr_r2 regr_slope regr_sxx regr_sxy
    regr_syy reservoir_quantile sem skewness stddev stddev_pop stddev_samp string_agg sum
    sum_no_overflow sumkahan var_pop var_samp variance wavg weighted_avg
"""
_WINDOWS = """
    cume_dist dense_rank fill first_value lag last_value lead nth_value ntile percent_rank rank
    rank_dense row_number
"""
AGGREGATES = _names(_AGGREGATES)
FUNCTIONS = _names(
    f"{_SIGNS} {_MATCHING} {_TEXT} {_NUMBERS} {_TIMES} {_CHOICE} {_LISTS} {_STRUCTS} {_JSON} "
    f"{_AGGREGATES} {_WINDOWS}"
)

# --- functions whose result can be of any size: what bounds them ----------------------------------
# Function -> place of the argument that says how long the result is, and the most it may say.
LENGTH_ARGUMENT: dict[str, tuple[int, int]] = {
    "repeat": (1, MAX_TEXT),
    "lpad": (1, MAX_TEXT),
    "rpad": (1, MAX_TEXT),
    "bar": (3, MAX_TEXT),
    "bitstring": (1, MAX_LIST),
    "list_resize": (1, MAX_LIST),
    "array_resize": (1, MAX_LIST),
    "equi_width_bins": (2, MAX_LIST),
}
SERIES = frozenset({"range", "generate_series"})
TEMPLATES = frozenset({"format", "printf"})
# The text in their second argument is the name of a function.
NAMED_AGGREGATION = frozenset(
    {"list_aggregate", "list_aggr", "array_aggregate", "array_aggr", "aggregate"}
)
# One of these inside another multiplies the sizes.
GROWING = frozenset(LENGTH_ARGUMENT) | TEMPLATES
