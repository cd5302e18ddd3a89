//! Coverage keeps functions that no target calls, and with them calls of the VM, which is not there. They lead nowhere.
//! A target that does not start names one that is missing here.

/// Without `enif_`.
const FUNCTIONS: &str = "
    alloc_env alloc_resource clear_env consume_timeslice free_env get_atom get_atom_length
    get_double get_list_cell get_list_length get_long get_map_size get_map_value get_resource
    get_tuple get_uint get_ulong hash inspect_binary is_atom is_binary is_empty_list
    is_exception is_identical is_list is_map is_ref is_tuple keep_resource make_atom_len
    make_badarg make_copy make_double make_existing_atom_len make_list_from_array make_long
    make_map_from_arrays make_map_put make_map_remove make_new_binary make_new_map make_resource
    make_tuple_from_array make_uint make_ulong map_iterator_create map_iterator_destroy
    map_iterator_get_pair map_iterator_next map_iterator_prev raise_exception release_binary
    release_resource schedule_nif self send snprintf term_to_binary term_type thread_type
";

fn main() {
    for name in FUNCTIONS.split_whitespace() {
        println!("cargo::rustc-link-arg-bins=-Wl,--defsym=enif_{name}=0");
    }
}
