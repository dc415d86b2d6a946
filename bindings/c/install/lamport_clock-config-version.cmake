# A later version serves whoever asks for an earlier one of the same soname: of the same major number.
# The version is read from the header, so that it is written down in one place.

get_filename_component(_lamport_clock_here "${CMAKE_CURRENT_LIST_DIR}" REALPATH)
file(STRINGS "${_lamport_clock_here}/../../../include/lamport_clock.h" _lamport_clock_line
    REGEX "^#define LAMPORT_VERSION_STRING ")
string(REGEX REPLACE "^.*\"(.*)\"$" "\\1" PACKAGE_VERSION "${_lamport_clock_line}")
string(REGEX REPLACE "^([0-9]+).*$" "\\1" _lamport_clock_major "${PACKAGE_VERSION}")

if(PACKAGE_FIND_VERSION_RANGE)
    set(_lamport_clock_least "${PACKAGE_FIND_VERSION_MIN}")
    set(_lamport_clock_least_major "${PACKAGE_FIND_VERSION_MIN_MAJOR}")
else()
    set(_lamport_clock_least "${PACKAGE_FIND_VERSION}")
    set(_lamport_clock_least_major "${PACKAGE_FIND_VERSION_MAJOR}")
endif()

if(PACKAGE_VERSION VERSION_LESS _lamport_clock_least
        OR NOT _lamport_clock_least_major EQUAL _lamport_clock_major)
    set(PACKAGE_VERSION_COMPATIBLE FALSE)
else()
    set(PACKAGE_VERSION_COMPATIBLE TRUE)
    if(PACKAGE_VERSION VERSION_EQUAL _lamport_clock_least)
        set(PACKAGE_VERSION_EXACT TRUE)
    endif()
endif()

if(PACKAGE_FIND_VERSION_RANGE)
    if(PACKAGE_VERSION VERSION_GREATER PACKAGE_FIND_VERSION_MAX
            OR (PACKAGE_FIND_VERSION_RANGE_MAX STREQUAL "EXCLUDE"
                AND PACKAGE_VERSION VERSION_EQUAL PACKAGE_FIND_VERSION_MAX))
        set(PACKAGE_VERSION_COMPATIBLE FALSE)
    endif()
endif()
