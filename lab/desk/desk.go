// Package desk is what the scenarios about people before a screen or a far
// prompt share: an SSH client and server that hide when keys are pressed,
// graphical desktops that are driven by a person's hands, and programs that
// move files and voices.
package desk
