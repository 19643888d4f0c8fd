"""What learned representations are judged by: numbers in the frames of one reference, which no filter, scale or mixing
of a representation can improve."""
