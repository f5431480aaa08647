"""The bridge between the control loop and the microcontroller: wire protocol, links, and the firmware itself."""
