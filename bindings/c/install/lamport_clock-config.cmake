# find_package(lamport_clock) gives two targets:
#
#     lamport_clock::lamport_clock    the shared library
#     lamport_clock::static           the static one, with what it needs of the system
#
# Everything is found relative to this file, so the whole prefix may be moved.

# The real path first: where /lib is a link to /usr/lib, the way up from it ends elsewhere.
get_filename_component(_lamport_clock_prefix "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
get_filename_component(_lamport_clock_prefix "${_lamport_clock_prefix}/../../.." ABSOLUTE)

foreach(_lamport_clock_file IN ITEMS
        include/lamport_clock.h lib/liblamport_clock.so lib/liblamport_clock.a)
    if(NOT EXISTS "${_lamport_clock_prefix}/${_lamport_clock_file}")
        set(lamport_clock_FOUND FALSE)
        set(lamport_clock_NOT_FOUND_MESSAGE
            "${_lamport_clock_prefix}/${_lamport_clock_file} is missing: install lamport_clock anew")
        return()
    endif()
endforeach()

if(NOT TARGET lamport_clock::lamport_clock)
    add_library(lamport_clock::lamport_clock SHARED IMPORTED)
    set_target_properties(lamport_clock::lamport_clock PROPERTIES
        IMPORTED_LOCATION "${_lamport_clock_prefix}/lib/liblamport_clock.so"
        IMPORTED_SONAME "liblamport_clock.so.0"
        INTERFACE_INCLUDE_DIRECTORIES "${_lamport_clock_prefix}/include")
endif()

if(NOT TARGET lamport_clock::static)
    add_library(lamport_clock::static STATIC IMPORTED)
    set_target_properties(lamport_clock::static PROPERTIES
        IMPORTED_LOCATION "${_lamport_clock_prefix}/lib/liblamport_clock.a"
        IMPORTED_LINK_INTERFACE_LANGUAGES "C"
        INTERFACE_INCLUDE_DIRECTORIES "${_lamport_clock_prefix}/include"
        INTERFACE_LINK_LIBRARIES "m;pthread;${CMAKE_DL_LIBS}")
endif()

unset(_lamport_clock_file)
unset(_lamport_clock_prefix)
