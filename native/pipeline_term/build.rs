//! Lets the crate's unit tests link without a VM.
//!
//! A library leaves the VM's functions open until it is loaded; a test executable may not. Each is given the
//! address 0 there, so that a test which calls one after all ends at once instead of going wrong quietly. The
//! tests that need a VM are those of `pipeline_vm_hooks`, beside this file.

/// The functions of NIF 2.16, less their prefix.
const VM_FUNCTIONS: &str = "
    alloc alloc_binary alloc_env alloc_resource binary_to_term clear_env compare compare_monitors compare_pids
    consume_timeslice convert_time_unit cpu_time demonitor_process dlopen dlsym dynamic_resource_call fprintf free
    free_env free_iovec get_atom get_atom_length get_double get_int get_int64 get_list_cell get_list_length
    get_local_pid get_local_port get_long get_map_size get_map_value get_resource get_string get_tuple get_uint
    get_uint64 get_ulong getenv has_pending_exception hash init_resource_type inspect_binary
    inspect_iolist_as_binary inspect_iovec ioq_create ioq_deq ioq_destroy ioq_enq_binary ioq_enqv ioq_peek
    ioq_peek_head ioq_size is_atom is_binary is_current_process_alive is_empty_list is_exception is_fun is_identical
    is_list is_map is_number is_pid is_pid_undefined is_port is_port_alive is_process_alive is_ref is_tuple
    keep_resource make_atom make_atom_len make_badarg make_binary make_copy make_double make_existing_atom
    make_existing_atom_len make_int make_int64 make_list make_list_cell make_list_from_array make_long
    make_map_from_arrays make_map_put make_map_remove make_map_update make_monitor_term make_new_binary make_new_map
    make_pid make_ref make_resource make_resource_binary make_reverse_list make_string make_string_len
    make_sub_binary make_tuple make_tuple_from_array make_uint make_uint64 make_ulong make_unique_integer
    map_iterator_create map_iterator_destroy map_iterator_get_pair map_iterator_is_head map_iterator_is_tail
    map_iterator_next map_iterator_prev monitor_process monotonic_time now_time open_resource_type
    open_resource_type_x port_command priv_data raise_exception realloc realloc_binary release_binary
    release_resource schedule_nif select select_x self send set_pid_undefined sizeof_resource snprintf system_info
    term_to_binary term_type thread_type time_offset whereis_pid whereis_port
";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // On other systems rustler looks the functions up itself.
    if std::env::var("CARGO_CFG_TARGET_OS").as_deref() == Ok("linux") {
        for function in VM_FUNCTIONS.split_whitespace() {
            println!("cargo::rustc-link-arg=-Wl,--defsym=enif_{function}=0");
        }
    }
}
